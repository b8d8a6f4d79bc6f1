//! The page of the command line says what the executable says.

use std::process::Command;

use crate::stage::executable;

/// `docs/reference/command-line.md` is written by `cargo xtask generate`; here it is held against the executable.
#[test]
fn the_command_line_page_is_current() {
    let page = include_str!("../../../../docs/reference/command-line.md");
    let mut sections = 0;
    let mut waiting = vec![Vec::<String>::new()];
    while let Some(words) = waiting.pop() {
        let mut command = Command::new(executable());
        let output = command
            .env_remove("PORTCULLIS_CONFIG")
            .args(&words)
            .arg("--help")
            .output()
            .expect("the executable");
        let help = String::from_utf8(output.stdout).expect("text");
        let title = ["portcullis".to_owned()].iter().chain(&words).cloned().collect::<Vec<_>>().join(" ");
        let section = format!("## {title}\n\n```text\n{}\n```\n", help.trim_end());
        assert!(page.contains(&section), "`{title} --help` is not on the page; run `cargo xtask generate`");
        sections += 1;
        let listed =
            help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|l| !l.is_empty());
        let verbs = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        waiting.extend(
            verbs.filter(|verb| !verb.is_empty()).map(|verb| [&words[..], &[verb.to_owned()]].concat()),
        );
    }
    assert_eq!(
        page.matches("\n## ").count(),
        sections,
        "the page knows verbs that are gone; run `cargo xtask generate`"
    );
}
