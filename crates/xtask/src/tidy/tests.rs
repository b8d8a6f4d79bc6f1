use super::*;

fn check(path: &str, text: &str, expected: &[(usize, &str)]) {
    let source = Source::new(path.to_owned(), text.to_owned());
    let mut findings = Vec::new();
    bodies::judge(&source, &mut findings);
    layers::judge(&source, &mut findings);
    shape::judge(&source, &mut findings);
    words::judge(&source, &mut findings);
    findings.sort();
    let found: Vec<(usize, &str)> = findings.iter().map(|f| (f.line, f.what.as_str())).collect();
    assert_eq!(found.len(), expected.len(), "{path}: {found:#?}");
    for ((line, what), (line_expected, part)) in found.iter().zip(expected) {
        assert!(line == line_expected && what.contains(part), "{path}: {line}: {what}, not {expected:?}");
    }
}

#[test]
fn the_repository_is_tidy() {
    let root = crate::root().expect("a repository");
    let findings: Vec<String> = judge(&root).expect("readable").iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn an_import_points_down() {
    check(
        "crates/gateway/src/exchange.rs",
        "//! x\nuse crate::http::Body;\nuse crate::{route, pipeline::Step};\n",
        &[],
    );
    check(
        "crates/gateway/src/http.rs",
        "//! x\nuse crate::route::Table;\n",
        &[(2, "`http` must not import `route`")],
    );
    check(
        "crates/gateway/src/config/load.rs",
        "//! x\nuse crate::{problem::{Problem, Kind}, pipeline::{Step}, bounds, upstream};\n",
        &[(2, "`pipeline`"), (2, "`upstream`")],
    );
    check(
        "crates/gateway/src/clock.rs",
        "//! x\nfn f() {\n    let _ = crate::config::load();\n    super::http::g();\n}\n",
        &[(3, "`config`"), (4, "`http`")],
    );
    check("crates/gateway/src/http/body.rs", "//! x\nuse super::Head;\nuse crate::observe::Names;\n", &[]);
    check(
        "crates/gateway/src/http/body.rs",
        "//! x\nuse super::super::gateway::Gateway;\n",
        &[(2, "`gateway`")],
    );
}

#[test]
fn no_json_value_is_made_of_a_body() {
    let read =
        "//! x\nfn f(text: &[u8]) {\n    let _ = serde_json::from_slice::<serde_json::Value>(text);\n}\n";
    check("crates/gateway/src/http/body.rs", read, &[(3, "two members of one name")]);
    check(
        "crates/gateway/src/http/body.rs",
        "//! x\nuse serde_json::{Value, de::from_str};\n",
        &[(2, "`serde_json`")],
    );
    check("crates/gateway/src/store/rows.rs", read, &[]);
    check("crates/gateway/src/http/body/tests.rs", read, &[]);
    check("crates/gateway/src/problem.rs", "//! x\nuse serde_json::Value;\n", &[]);
    for touches in ["openapi/src/value/parse.rs", "openapi/src/contract.rs", "gateway/src/pipeline/judged.rs"]
    {
        check(
            &format!("crates/{touches}"),
            "//! x\nuse serde_json::Value;\n",
            &[(2, "nothing that touches bodies")],
        );
    }
    check("crates/gateway/src/policies/contract/problems.rs", "//! x\nuse serde_json::json;\n", &[]);
}

#[test]
fn a_word_in_a_comment_or_string_is_no_import() {
    check(
        "crates/gateway/src/clock.rs",
        "//! See crate::gateway.\n/* crate::route /* crate::http */ */\nconst A: &str = \"crate::http\";\nconst B: &[u8] = br#\"\"crate::route\"\"#;\nconst C: char = '\"';\nfn f<'a>(x: &'a str) -> &'a str { x }\n// crate::gateway\n",
        &[],
    );
    check(
        "crates/gateway/src/clock.rs",
        "//! x\nconst C: char = '\"';\nuse crate::http;\n",
        &[(3, "`http`")],
    );
}

#[test]
fn tests_may_look_up_and_unwrap() {
    check("crates/gateway/src/http/tests.rs", "use crate::gateway::Gateway;\nfn f() { g().unwrap() }\n", &[]);
    let inline = "//! x\n#[cfg(test)]\nmod tests {\n    use crate::gateway::Gateway;\n    fn f() { g().unwrap(); }\n}\n";
    check("crates/gateway/src/http.rs", inline, &[]);
    let after = "//! x\n#[cfg(test)]\nmod tests;\nfn f() { g().unwrap(); }\n";
    check("crates/gateway/src/http.rs", after, &[(4, "`.unwrap()`")]);
}

#[test]
fn a_file_declared_for_tests_is_test_code() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let mut sources = [
        source("crates/waf/src/lib.rs", "//! x\n#[cfg(test)]\nmod sample;\nmod a;\n"),
        source("crates/waf/src/a.rs", "//! x\n#[cfg(test)]\npub(crate) mod b;\n"),
        source("crates/waf/src/sample.rs", "//! x\n"),
        source("crates/waf/src/a/b.rs", "//! x\n"),
    ];
    Source::mark_tests(&mut sources);
    assert_eq!(sources.map(|source| source.is_test_file()), [false, false, true, true]);
}

#[test]
fn an_unknown_module_is_asked_for_its_floor() {
    check("crates/gateway/src/cellar/rats.rs", "//! x\n", &[(1, "`cellar` stands on no floor")]);
}

#[test]
fn sizes_have_an_end() {
    let long = format!("//! x\n{}", "\n".repeat(800));
    check("crates/waf/src/a.rs", &long, &[(1, "801 lines")]);
    let lines =
        |n: usize| format!("//! x\nfn f(x: [u8; 2]) {{\n{}}}\nfn g();\n", "    h();\n    // y\n\n".repeat(n));
    check("crates/waf/src/a.rs", &lines(68), &[]);
    check("crates/waf/src/a.rs", &lines(69), &[(2, "`f` has 71 lines")]);
    check("crates/portcullis/tests/it/a.rs", &lines(69), &[]);
    let table = format!(
        "//! x\nfn f(x: u8) -> u8 {{\n    match x {{\n{}    }}\n}}\n",
        "        1 => 2,\n".repeat(90)
    );
    check("crates/waf/src/a.rs", &table, &[]);
}

#[test]
fn rooms_have_names_and_docs() {
    check("crates/waf/src/util.rs", "//! x\n", &[(1, "no room called `util`")]);
    check("crates/waf/src/a.rs", "//! x\npub mod types;\n", &[(2, "no room called `types`")]);
    check("crates/waf/src/a/mod.rs", "//! x\n", &[(1, "no `mod.rs`")]);
    check("crates/waf/src/a.rs", "fn f() {}\n", &[(1, "without `//!`")]);
    check("crates/waf/src/a/tests.rs", "fn f() {}\n", &[]);
}

#[test]
fn words_that_do_not_belong_are_found() {
    check("crates/waf/src/a.rs", "//! x\nfn f() { g().expect(\"h\"); }\n", &[(2, "`.expect(`")]);
    check("crates/testkit/src/a.rs", "//! x\nfn f() { g().expect(\"h\"); }\n", &[]);
    check("crates/waf/src/a/tests.rs", "#[ignore]\nfn f() {}\n", &[(1, "says why")]);
    check("crates/waf/src/a/tests.rs", "#[ignore = \"slow\"]\nfn f() {}\n", &[]);
    let mut findings = Vec::new();
    words::judge_text("docs/a.md", concat!("fine\nsee /wo", "rk/b\n"), &mut findings);
    assert_eq!(findings.iter().map(|f| f.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_file_nobody_declares_is_found() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let sources = [
        source("crates/waf/src/lib.rs", "//! x\nmod a;\n"),
        source("crates/waf/src/a.rs", "//! x\nmod b;\n// mod c;\n"),
        source("crates/waf/src/a/b.rs", "//! x\n"),
        source("crates/waf/src/a/c.rs", "//! x\n"),
    ];
    let mut findings = Vec::new();
    shape::judge_reachable(&sources, &mut findings);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["crates/waf/src/a/c.rs:1: no `mod c;` in crates/waf/src/a.rs"]);
}

#[test]
fn crates_depend_along_the_arrows() {
    let mut findings = Vec::new();
    let manifest = "[dependencies]\nportcullis-gateway.workspace = true\nportcullis-http1 = { workspace = true }\n\n[dev-dependencies]\nportcullis-testkit.workspace = true\n";
    arrows::judge("crates/admin/Cargo.toml", manifest, &mut findings);
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["crates/admin/Cargo.toml:3: `admin` must not depend on `http1`"]);
}

#[test]
fn a_link_leads_somewhere() {
    let root = crate::root().expect("a repository");
    let page = "# A page\n[a](Cargo.toml) [b](none.md) [c](#a-page) [d](#b) [e](https://example.com/x)\n```\n[f](none)\n```\n`[g](none)`\n[h]: none.txt\n";
    let mut findings = Vec::new();
    links::judge(&root, "README.md", page, &mut findings);
    let found: Vec<String> = findings.iter().map(|f| format!("{}: {}", f.line, f.what)).collect();
    let expected = [
        "2: link to `none.md`, which is not there",
        "2: link to `#b`, a heading that is not there",
        "7: link to `none.txt`, which is not there",
    ];
    assert_eq!(found, expected);
}

#[test]
fn every_dependency_has_its_line_and_every_line_its_dependency() {
    let manifest = "[workspace]\na = 1\n[workspace.dependencies]\nportcullis-http1 = { path = \"x\" }\nh2 = \"0.4\"\nitoa = \"1\"\n[profile.dev]\nx = 1\n";
    let page = "| crate | for |\n| --- | --- |\n| h2, gone | frames |\n| dev: old | x |\n";
    let mut findings = Vec::new();
    dependencies::judge(manifest, page, &mut findings);
    let found: Vec<(usize, bool)> = findings.iter().map(|f| (f.line, f.what.contains("no line"))).collect();
    assert_eq!(found, [(6, true), (3, false), (4, false)], "{findings:?}");
}

#[test]
fn every_row_of_the_threat_model_links_to_a_test() {
    let page = "# Security\n| a | b | no link |\n## Threat model\n\n| failure | shape | shown by |\n| --- | --- | --- |\n\
                | a | b | [x](crates/p/tests/it/x.rs) |\n| a | b | `tests` |\n| a [x](tests) | b | |\n| a | b | [c](crates/g/cases) |\n";
    let mut findings = Vec::new();
    threats::judge(page, &mut findings);
    let found: Vec<usize> = findings.iter().map(|f| f.line).collect();
    assert_eq!(found, [8, 9], "{findings:?}");
}
