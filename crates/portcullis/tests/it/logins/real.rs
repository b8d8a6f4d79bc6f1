//! canaille, a provider that offers what nobody should take: plain PKCE, and ID tokens that nobody has signed.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Request, Response, Wire};

use super::{decoded, navigation, send_to, session_of, set_cookies};
use crate::clients::{Server, python_with};
use crate::stage::{Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2], trusted_proxies: [127.0.0.0/8] }
telemetry: { access_log: stdout }
issuers:
  corp: { openid: "ISSUER", timeout: 30s, login: { client_id: gw, client_secret: secret, scopes: [email] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  app: { base_path: /app, backend: recorder, auth: { login: corp }, operations: { all: { match: "* /{rest*}" } } }
"#;
const REDIRECT: &str = "https://app.test/app/.login/corp/callback";

/// A gateway, and a canaille that knows these methods of PKCE (`-`: its own) and signs ID tokens so.
struct Scene {
    stage: Stage,
    provider: Server,
}

impl Scene {
    fn start(methods: &str, algorithm: &str) -> Option<Self> {
        let mut command = python_with("canaille", "canaille_provider.py")?;
        let provider = Server::start(command.args([methods, algorithm, REDIRECT]));
        let config = CONFIG.replace("ISSUER", &format!("http://{}", provider.addresses[0]));
        let stage = Stage::built(|backend| Builder::new(executable(), config.replace("BACKEND", backend)));
        Some(Self { stage, provider })
    }

    fn send(&self, wire: Wire, request: Request) -> Response {
        send_to(self.stage.public(), wire, request)
    }

    /// What the provider answers.
    fn ask_provider(&self, target: &str) -> Response {
        let address = self.provider.addresses[0];
        let mut connection = Client::connect(address);
        connection.send(Request::get(target).host(&address.to_string()).http1());
        connection.response("GET", Deadline::soon()).expect("an answer")
    }

    /// Goes the way of a browser to the provider and back; what the gateway says at the end.
    fn log_in(&self, wire: Wire) -> Response {
        let begun = Deadline::soon().poll("a redirect to the provider", || {
            let answer = self.send(wire, navigation("/app/page"));
            (answer.status == 302).then_some(answer)
        });
        let location = begun.text("location").expect("a place");
        assert!(location.contains("code_challenge_method=S256"), "{location}");
        let issuer = format!("http://{}", self.provider.addresses[0]);
        let sent = self.ask_provider(location.strip_prefix(&issuer).expect("the provider's own"));
        let back = sent.text("location").unwrap_or_else(|| panic!("no way back: {sent:?}"));
        let query = back.strip_prefix(REDIRECT).expect("the way back");
        assert!(decoded(query).contains(&format!("iss={issuer}")), "{query}");
        let cookie = set_cookies(&begun).pop().expect("a cookie");
        self.send(wire, navigation(&format!("/app/.login/corp/callback{query}")).field("Cookie", cookie))
    }
}

#[test]
fn a_provider_that_offers_none_and_plain_is_asked_for_better() {
    let Some(scene) = Scene::start("-", "RS256") else { return };
    let offered = scene.ask_provider("/.well-known/openid-configuration").json();
    assert_eq!(offered["code_challenge_methods_supported"][0], "plain");
    assert_eq!(offered["id_token_signing_alg_values_supported"][0], "none");
    for wire in Wire::ALL {
        let answer = scene.log_in(*wire);
        assert_eq!(answer.status, 303, "{answer:?}");
        let page = navigation("/app/page").field("Cookie", session_of(&answer));
        assert_eq!(scene.send(*wire, page).status, 200);
    }
    scene.stage.gateway.record("the page", |record| record["portcullis.consumer"] == "corp/alice");
}

#[test]
fn an_id_token_of_a_provider_that_nobody_has_signed_lets_nobody_in() {
    let Some(scene) = Scene::start("-", "none") else { return };
    for wire in Wire::ALL {
        let answer = scene.log_in(*wire);
        assert_eq!(answer.verdict(), (401, Some("credential-invalid".to_owned())), "{answer:?}");
        assert!(set_cookies(&answer).iter().all(|cookie| !cookie.contains("-session-")), "{answer:?}");
    }
    let is_it = |record: &serde_json::Value| record["url.path"] == "/app/.login/corp/callback";
    let cause = scene.stage.gateway.record("the refusal", is_it)["portcullis.cause"].to_string();
    assert!(cause.contains("algorithm"), "{cause}");
}

#[test]
fn a_provider_that_knows_plain_alone_is_no_provider_of_logins() {
    let Some(scene) = Scene::start("plain", "RS256") else { return };
    scene.stage.gateway.stderr().expect("the reason", |line| line.contains("not by S256").then_some(()));
    for wire in Wire::ALL {
        let answer = scene.send(*wire, navigation("/app/page"));
        assert_eq!(answer.verdict(), (503, Some("issuer-unavailable".to_owned())), "{answer:?}");
    }
}
