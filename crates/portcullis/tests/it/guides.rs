//! Nothing shown in `docs/guides/` is untested: its files stand together in a folder, its commands run there.
//!
//! A `yaml` block begins with its file's name as a comment; so does a `text` block, whose first line is then no part of the
//! file. Commands that serve have tests of their own.

use std::fs;
use std::path::Path;

use crate::readme::{blocks, commands, fits, portcullis};

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
        for block in blocks(&text, "text") {
            let named =
                block.split_once('\n').and_then(|(first, rest)| Some((first.strip_prefix("# ")?, rest)));
            if let Some((name, content)) = named {
                fs::write(folder.path().join(name), content).expect("a file");
            }
        }
        for (command, shown) in blocks(&text, "console").iter().flat_map(|block| commands(block)) {
            let arguments = command.strip_prefix("portcullis ").expect("one of our commands");
            if arguments.starts_with("run ") {
                continue;
            }
            let printed = portcullis(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
            for line in shown {
                let is_there = printed.lines().any(|printed| fits(printed, &line));
                assert!(is_there, "`{command}` lacks `{line}`:\n{printed}");
            }
            ran += 1;
        }
    }
    assert!(ran >= 2, "only {ran} commands ran");
}
