//! The states of an exchange, and what policies may do between them.
//!
//! `Canonical → Routed → Identified → Admitted → Answered → Reply`: each state has private fields and one
//! constructor, in its own file, so that a step cannot be skipped: `Upstreams::forward` takes an [`Admitted`],
//! and the only way to one leads through routing, identity and the judged body. The compile-fail tests in
//! `tests/compile_fail` keep that promise.

pub mod admitted;
pub mod answered;
pub mod attempts;
pub mod authentication;
pub mod changes;
pub mod consumer;
pub mod context;
pub mod decoded;
pub mod freight;
pub mod handover;
mod held;
pub mod identified;
pub mod in_flight;
pub mod judged;
pub mod marks;
pub mod operation;
pub mod policy;
pub mod problem_reply;
pub mod request_id;
pub mod room;
pub mod routed;
pub mod step;
pub mod whole_answer;

pub use admitted::Admitted;
pub use answered::Answered;
pub use authentication::{Authenticator, Carries, Expression, Glance, Presented};
pub use changes::Changes;
pub use consumer::{Consumer, Proof};
pub use context::Context;
pub use freight::Freight;
pub use handover::Handover;
pub use identified::{Caller, Identified, Posture};
pub use in_flight::{InFlight, UnderWay};
pub use operation::Operation;
pub use policy::{Form, Needs, Policy, Prospect};
pub use routed::Routed;
pub use step::{Step, Stop};
