//! p
/// p
pub fn compile() {}
