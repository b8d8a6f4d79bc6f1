//! The ways to prove a caller: what the configuration says of each, and what of each stands in a request.

use std::collections::HashMap;

use portcullis_identity::sha256::digest;
use portcullis_testkit::Request;
use portcullis_testkit::tokens::{Signer, base64, now};

use super::HOST;

/// Of `correct horse`, at the least work that is taken.
const HASH: &str =
    "$argon2id$v=19$m=7168,t=5,p=1$YzJGc2RITmhiSFF4$meE12SBYL4136AkzPwSEswSRDfpgjaJBdm/wCYKzmyA";

/// A way to prove a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Header,
    Query,
    Cookie,
    Basic,
    Certificate,
    Signature,
    Jwt,
    Lab,
    Token,
    Login,
}

impl Way {
    pub(super) const ALL: [Self; 10] = [
        Self::Header,
        Self::Query,
        Self::Cookie,
        Self::Basic,
        Self::Certificate,
        Self::Signature,
        Self::Jwt,
        Self::Lab,
        Self::Token,
        Self::Login,
    ];

    /// Its name in paths, what the page calls it, what `auth` says.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Header => ["header", "api_key in a header", "{ api_key: { header: x-key } }"],
            Self::Query => ["query", "api_key in a query", "{ api_key: { query: key } }"],
            Self::Cookie => ["cookie", "api_key in a cookie", "{ api_key: { cookie: key } }"],
            Self::Basic => ["basic", "basic", "basic"],
            Self::Certificate => ["certificate", "certificate", "certificate"],
            Self::Signature => ["signature", "signature", "{ signature: { max_age: 5m } }"],
            Self::Jwt => ["jwt", "jwt of corp", "{ jwt: corp }"],
            Self::Lab => ["lab", "jwt of lab", "{ jwt: lab }"],
            Self::Token => ["token", "token of old", "{ token: old }"],
            Self::Login => ["login", "login at corp", "{ login: corp }"],
        }
    }

    pub(super) fn slug(self) -> &'static str {
        self.words()[0]
    }

    pub(super) fn on_page(self) -> &'static str {
        self.words()[1]
    }

    pub(super) fn auth(self) -> &'static str {
        self.words()[2]
    }

    /// The issuer that names its callers, if none of `consumers` does.
    pub(super) fn issuer(self) -> Option<&'static str> {
        match self {
            Self::Jwt | Self::Login => Some("corp"),
            Self::Lab => Some("lab"),
            Self::Token => Some("old"),
            _ => None,
        }
    }

    /// The credential of this state, as the configuration has it below a consumer.
    pub(super) fn credential(self, state: &str) -> String {
        let end = if state == "expired" { ", expires: 2020-01-01" } else { "" };
        let means = match self {
            Self::Header | Self::Query | Self::Cookie => {
                format!("api_key: {{ sha256: \"{}\"{end} }}", digest(self.id(state).as_bytes()))
            }
            Self::Basic => format!("basic: {{ user: \"{state}\", password: \"{HASH}\"{end} }}"),
            Self::Certificate => format!("certificate: {{ spiffe: \"{}\"{end} }}", spiffe(state)),
            Self::Signature => {
                let file = format!("{}.pem", self.id(state));
                format!("signature: {{ keyid: \"{state}\", public_key: \"${{file:{file}}}\"{end} }}")
            }
            Self::Jwt | Self::Lab | Self::Token | Self::Login => return String::new(),
        };
        format!("      - {{ id: \"{}\", {means} }}\n", self.id(state))
    }

    /// The credential's id in records, and the key itself where it is one.
    pub(super) fn id(self, state: &str) -> String {
        format!("{}-{}", self.slug(), state.replace('\'', ""))
    }
}

pub(super) fn spiffe(state: &str) -> String {
    format!("spiffe://tests/{}", state.replace('\'', ""))
}

/// All there is to present.
pub(super) struct Purse {
    /// Whose keys sign requests, by state; the configuration has the public halves.
    pub(super) signers: HashMap<&'static str, Signer>,
    /// Tokens and session cookies.
    pub(super) held: HashMap<(Way, &'static str), String>,
}

impl Purse {
    pub(super) fn new(states: &[&'static str]) -> Self {
        let signers = states.iter().map(|state| (*state, Signer::new(state))).collect();
        Self { signers, held: HashMap::new() }
    }

    /// A request with credentials of these states. A certificate belongs to the connection.
    pub(super) fn request(&self, path: &str, presented: [(Way, &str); 2]) -> Request {
        let mut request = Request::get(path).host(HOST);
        let mut cookies = vec!["a=b".to_owned()];
        let is_there = |(_, state): &(Way, &str)| *state != "absent";
        for (way, state) in presented.into_iter().filter(is_there) {
            let field = |name: &str, value: String| (name.as_bytes().to_vec(), value.into_bytes());
            let held = || self.held.iter().find(|(own, _)| **own == (way, state)).expect("a credential").1;
            match way {
                Way::Header => request.fields.push(field("x-key", way.id(state))),
                Way::Query => request.target.extend(format!("?key={}", way.id(state)).bytes()),
                Way::Cookie => cookies.push(format!("key={}", way.id(state))),
                Way::Basic => {
                    let (user, password) = if state == "bad" { ("good", "horsf") } else { (state, "horse") };
                    let pair = base64(format!("{user}:correct {password}").as_bytes());
                    request.fields.push(field("authorization", format!("Basic {pair}")));
                }
                Way::Jwt | Way::Lab | Way::Token => {
                    request.fields.push(field("authorization", format!("Bearer {}", held())));
                }
                Way::Login => cookies.push(held().clone()),
                Way::Certificate | Way::Signature => {}
            }
        }
        request.fields.push((b"cookie".to_vec(), cookies.join("; ").into_bytes()));
        let signed = presented.into_iter().filter(is_there).find(|(way, _)| *way == Way::Signature);
        if let Some((_, state)) = signed {
            self.sign(&mut request, state);
        }
        request
    }

    /// Signs a request as it is (RFC 9421), in the name of the good consumer where the key is a stranger's.
    fn sign(&self, request: &mut Request, state: &str) {
        let target = String::from_utf8(request.target.clone()).expect("text");
        let (path, query) =
            target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
        let mut components =
            vec![("@method", "GET".to_owned()), ("@authority", HOST.to_owned()), ("@path", path.to_owned())];
        components.extend(query.map(|query| ("@query", format!("?{query}"))));
        let names: Vec<String> = components.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let keyid = if state == "bad" { "good" } else { state };
        // No two signatures are alike, not even over the same.
        let nonce = base64(&self.signers["good"].sign_bytes(b"")[..24]);
        let input = format!("({});created={};keyid=\"{keyid}\";nonce=\"{nonce}\"", names.join(" "), now());
        let mut base: String =
            components.iter().map(|(name, value)| format!("\"{name}\": {value}\n")).collect();
        base.push_str(&format!("\"@signature-params\": {input}"));
        let signature = base64(&self.signers[state].sign_bytes(base.as_bytes()));
        for (name, value) in
            [("signature-input", format!("sig1={input}")), ("signature", format!("sig1=:{signature}:"))]
        {
            request.fields.push((name.as_bytes().to_vec(), value.into_bytes()));
        }
    }
}
