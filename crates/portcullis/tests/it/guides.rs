//! Nothing shown in `docs/guides/` is untested: its files stand together in a folder, its commands run there.
//!
//! A `yaml` block begins with its file's name as a comment; so does a `text` block, whose first line is then no part of the
//! file. After `portcullis run` commands speak to a gateway that serves the guide's `portcullis.yaml` beside the files of
//! its `text` blocks, on free ports; where it asks for `admin.crt`, one is made, and `ca.pem` that vouches for it; other commands that serve have tests of their own.

use std::fs;
use std::path::Path;

use portcullis_testkit::Gateway;
use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;

use crate::readme::{blocks, commands, fits, portcullis};
use crate::stage::executable;

/// Where the admin API is in guides.
const ADMIN: &str = "127.0.0.1:9443";

/// The words of a command; one that begins with a quote of either kind goes on to the next of that kind.
fn words(arguments: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = arguments.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '"' | '\'' => rest[1..].split_once(first).expect("a closing quote"),
            _ => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

#[test]
fn every_command_of_a_guide_prints_what_is_shown() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides");
    let mut ran = 0;
    for guide in fs::read_dir(guides).expect("guides") {
        let text = fs::read_to_string(guide.expect("an entry").path()).expect("a page");
        let folder = tempfile::tempdir().expect("a folder");
        for block in blocks(&text, "yaml") {
            let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a file's name");
            fs::write(folder.path().join(name), &block).expect("a file");
        }
        let mut beside = Vec::new();
        for block in blocks(&text, "text") {
            let named =
                block.split_once('\n').and_then(|(first, rest)| Some((first.strip_prefix("# ")?, rest)));
            if let Some((name, content)) = named {
                fs::write(folder.path().join(name), content).expect("a file");
                beside.push((name.to_owned(), content.to_owned()));
            }
        }
        let mut served = None;
        for (command, shown) in blocks(&text, "console").iter().flat_map(|block| commands(block)) {
            let arguments = command.strip_prefix("portcullis ").expect("one of our commands");
            if arguments.starts_with("run ") || arguments.starts_with("mock ") {
                continue;
            }
            if arguments == "run" {
                let config =
                    fs::read_to_string(folder.path().join("portcullis.yaml")).expect("a configuration");
                let config = [8080, 9901, 9443].iter().fold(config, |config, port| {
                    config.replace(&format!(" 127.0.0.1:{port}"), " 127.0.0.1:0")
                });
                if config.contains("${file:admin.crt}") {
                    let authority = Authority::new("guide");
                    let pair = authority.server(&["127.0.0.1"]);
                    beside.extend([
                        ("admin.crt".to_owned(), pair.certificate),
                        ("admin.key".to_owned(), pair.key),
                        ("ca.pem".to_owned(), authority.pem()),
                    ]);
                }
                let builder =
                    beside.iter().fold(Builder::new(executable(), config), |builder, (name, content)| {
                        builder.file(name.clone(), content.clone())
                    });
                served = Some(builder.start());
                continue;
            }
            let folder_of = served.as_ref().map_or(folder.path(), Gateway::folder);
            let arguments = match &served {
                Some(gateway) if arguments.contains(ADMIN) => {
                    arguments.replace(ADMIN, &gateway.admin().to_string())
                }
                _ => arguments.to_owned(),
            };
            let printed = portcullis(folder_of, &words(&arguments));
            for line in shown {
                let is_there = printed.lines().any(|printed| fits(printed, &line));
                assert!(is_there, "`{command}` lacks `{line}`:\n{printed}");
            }
            ran += 1;
        }
    }
    assert!(ran >= 2, "only {ran} commands ran");
}
