use serde_json::json;

use super::*;

#[test]
fn reference_is_current() {
    let root = crate::root().expect("a repository");
    let stale: Vec<String> =
        pages().expect("pages").iter().filter_map(|page| difference(&root, page)).collect();
    assert!(stale.is_empty(), "\n{}\n", stale.join("\n\n"));
}

#[test]
fn every_problem_in_the_code_is_in_the_catalogue() {
    let root = crate::root().expect("a repository");
    let sources = crate::tidy::sources(&root).expect("readable");
    let ours = sources.iter().filter(|source| !source.is_test_file() && source.below_src().is_some());
    let mut declared: Vec<String> = ours.flat_map(|source| codes(&source.text)).collect();
    declared.sort();
    let listed: Vec<String> = lists::kinds().iter().map(|kind| kind.code.to_owned()).collect();
    assert_eq!(declared, listed, "a kind is in no list of problems, or two share a code");
}

/// The codes of the problem kinds declared in a file.
fn codes(text: &str) -> Vec<String> {
    let declarations = text.split("ProblemKind = ProblemKind {").skip(1);
    let codes = declarations.filter_map(|rest| rest.split("code: \"").nth(1)?.split('"').next());
    codes.map(str::to_owned).collect()
}

#[test]
fn a_schema_becomes_a_page() {
    let schema = json!({
        "required": ["version"],
        "properties": {
            "version": { "const": 1, "description": "The format." },
            "listeners": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Listener" } },
            "mode": { "anyOf": [{ "$ref": "#/$defs/Mode" }, { "type": "null" }] },
            "names": { "type": ["array", "null"], "items": { "type": "string" }, "description": "One|two." },
        },
        "$defs": {
            "Mode": { "description": "How.", "oneOf": [{ "const": "off", "description": "Not at all." }] },
            "Listener": { "description": "Accepts.", "properties": { "wait": { "$ref": "#/$defs/Wait" } } },
            "Wait": { "type": "string", "pattern": "x", "description": "A duration such as 5s." },
        },
    });
    let page = configuration::page(&schema, &["stores"]);
    for part in [
        "| `version` (required) | `1` | The format. |",
        "| `listeners` | mapping of names to [Listener](#listener) |",
        "| `mode` | [Mode](#mode) |",
        "| `names` | list of text | One\\|two. |",
        "## Listener\n\nAccepts.\n",
        "| `wait` | a duration such as 5s |  |",
        "## Mode\n\nHow.\n",
        "| `off` | Not at all. |",
        "## Not built yet",
        "- `stores`\n",
    ] {
        assert!(page.contains(part), "no {part:?} in\n{page}");
    }
}

#[test]
fn verbs_are_read_from_help() {
    let help = "Usage: x\n\nCommands:\n  run   Serve\n        more words\n  keys  Make\n  help  Print\n\nOptions:\n  -h  x\n";
    assert_eq!(command_line::verbs(help), ["run", "keys"]);
}

#[test]
fn a_difference_names_the_lines_and_the_command() {
    let root = crate::root().expect("a repository");
    let page = Page { path: "LICENSE", text: "another text\n".to_owned() };
    let difference = difference(&root, &page).expect("a difference");
    assert!(
        difference.contains("+ another text") && difference.contains("cargo xtask generate"),
        "{difference}"
    );
}
