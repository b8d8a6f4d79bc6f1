//! Forms, files and compressed bodies as curl and Python's `requests` write them, before an API that judges them.

use std::fs;

use super::{client, python_with, run};
use crate::contract_bodies::stage;

#[test]
fn forms_of_curl_are_judged_and_arrive() {
    let stage = stage("");
    let file = stage.gateway.folder().join("a file.bin");
    fs::write(&file, vec![b'\n'; 200_000]).expect("a file");
    let thing = stage.gateway.folder().join("thing.json");
    fs::write(&thing, r#"{"name":"tea"}"#).expect("a file");
    let (file, thing) = (file.display(), thing.display());
    let rows: &[(&[&str], &str)] = &[
        (&["-F", "name=tea"], "200"),
        (&["-F", "name=tea", "-F", &format!("file=@{file}")], "200"),
        (&["-F", "name=tea", "-F", &format!("thing=<{thing};type=application/json")], "200"),
        (&["-F", "name=tea", "-F", &format!("thing=@{thing};type=application/json")], "200"),
        (&["-F", "name=tea", "-F", "other=1"], "422"),
        (&["-F", "name=much longer than ten"], "422"),
        (&["-F", &format!("name=@{file}")], "422"),
        (&["-F", "name=tea", "-F", &format!("file=@{file};filename=../x")], "400"),
        (&["-d", "name=tea"], "200"),
        (&["--data-urlencode", "name=a tea & more"], "200"),
        (&["-d", "count=1"], "422"),
    ];
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for (arguments, expected) in rows {
            let Some(mut curl) = client("curl", &["--version"]) else { return };
            curl.args(["-sS", "--noproxy", "*", "--max-time", "30", "-o", "/dev/null", "-w", "%{http_code}"]);
            let said =
                run(curl.arg(version).args(*arguments).arg(format!("http://{}/things", stage.public())));
            assert_eq!(said, *expected, "{version} {arguments:?}");
        }
    }
    let arrived = stage.backend.messages().iter().filter(|message| message.target == b"/things").count();
    assert_eq!(arrived, rows.iter().filter(|(_, expected)| *expected == "200").count() * 2);
    stage.expect_plain_backend_traffic();
}

#[test]
fn forms_and_coded_bodies_of_requests_are_judged() {
    let stage = stage("");
    let Some(mut python) = python_with("requests", "uploads_client.py") else { return };
    run(python.arg(format!("http://{}", stage.public())));
    stage.expect_plain_backend_traffic();
}
