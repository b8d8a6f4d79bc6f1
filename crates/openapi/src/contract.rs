//! The contract: an API's definition, enforced.

pub mod violations;
