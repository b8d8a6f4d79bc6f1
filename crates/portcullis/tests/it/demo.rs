//! The first thing a newcomer types works as printed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::stage::executable;

/// What each printed command answers, in the order printed.
const ANSWERS: &[&str] = &[
    "HTTP/1.1 200",
    "HTTP/1.1 200",
    "HTTP/1.1 401",
    "HTTP/1.1 403",
    "HTTP/1.1 200",
    "HTTP/1.1 422",
    "HTTP/1.1 400",
    "HTTP/1.1 404",
    "HTTP/1.1 400",
    "HTTP/1.1 200",
    "# HELP",
];

/// Ended by its handle, whatever the test does.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn each_printed_command_works_as_printed() {
    let mut demo = Demo(
        Command::new(executable())
            .args(["demo", "--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demo starts"),
    );
    let printed = demo.0.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(printed).lines().map_while(Result::ok);
    let mut commands = Vec::new();
    while commands.len() < ANSWERS.len() {
        let line = lines.next().expect("the tour is printed to its end");
        if line.starts_with("curl ") {
            commands.push(line);
        }
    }
    for (command, expected) in commands.iter().zip(ANSWERS) {
        let ran = Command::new("sh").args(["-c", command]).output().expect("a shell and curl are there");
        let answer = String::from_utf8_lossy(&ran.stdout);
        assert!(answer.starts_with(expected), "`{command}` answers {answer}");
        if !expected.starts_with("HTTP/1.1 2") && *expected != "# HELP" {
            assert!(answer.contains("application/problem+json"), "`{command}` answers {answer}");
        }
    }
}
