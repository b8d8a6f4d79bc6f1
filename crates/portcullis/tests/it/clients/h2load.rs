//! h2load: many streams on few connections, none of them lost.

use super::{Scene, client, run};

#[test]
fn thousands_of_streams_on_four_connections_all_succeed() {
    let scene = Scene::start();
    for listener in ["clear", "tls"] {
        let Some(mut h2load) = client("h2load", &["--version"]) else { return };
        let said = run(h2load
            .args(["-n", "2000", "-c", "4", "-m", "20", "--connect-to"])
            .arg(scene.gateway.address(listener).to_string())
            .arg(format!("{}/load", scene.url(listener))));
        let expected = "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(said.contains(expected) && said.contains("2000 2xx"), "{said}");
    }
    assert_eq!(scene.backend.messages().len(), 4000);
    scene.expect_plain_backend_traffic();
}
