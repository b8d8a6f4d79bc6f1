//! The promises of the states, kept by the compiler: each file in `compile_fail/` tries to cheat and must be refused
//! with the error it names.
//!
//! The compiler is called directly on the library this test was built with. `trybuild` lost: it builds every
//! dependency a second time, and compares messages that change with each compiler; the codes do not.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_step_of_the_security_model_cannot_be_left_out() {
    let cases = files("compile_fail");
    assert!(cases.len() >= 5, "the cases are there");
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let code =
            text.lines().find_map(|line| line.strip_prefix("//! refused with: ")).expect("names its error");
        let said = compile(&case).expect_err("a cheat must not build");
        assert!(
            said.contains(&format!("error[{code}]")),
            "{} is refused, but not with {code}:\n{said}",
            case.display()
        );
    }
}

#[test]
fn the_right_way_builds() {
    for case in files("compile_pass") {
        compile(&case).unwrap();
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn compile(case: &Path) -> Result<(), String> {
    let dependencies = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let out = tempfile::tempdir().unwrap();
    let compiled = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()))
        .args(["--edition=2024", "--emit=metadata", "--crate-name=case", "--out-dir"])
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("--extern")
        .arg(format!("portcullis_gateway={}", library(&dependencies).display()))
        .arg(case)
        .output()
        .unwrap();
    if compiled.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&compiled.stderr).into_owned())
    }
}

/// The library this test was linked with: the newest one beside it.
fn library(dependencies: &Path) -> PathBuf {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libportcullis_gateway-") && name.ends_with(".rlib")
    };
    let built = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let found = fs::read_dir(dependencies).unwrap().map(|entry| entry.unwrap().path()).filter(is_ours);
    found.max_by_key(built).expect("the library is beside the test")
}
