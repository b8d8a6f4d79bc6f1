//! The promises of the states, kept by the compiler: each file in `compile_fail/` tries to cheat and must not build.

#[test]
fn a_step_of_the_security_model_cannot_be_left_out() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
