//! Configurations that look as if they protected and cannot: neither `check` nor `run` takes one.
//!
//! Each row is something that a gateway of our kind was seen to accept without a word. Named are place, path, what is
//! wrong and what to do, and the exit code is 2. A row about a control that is not built yet says that it does not load;
//! whoever builds the control gives the row its own reason.

use portcullis_testkit::gateway::Builder;

use crate::stage::{Findings, executable};

/// What is wrong, the configuration's end, and what must be said: from the place on, and the hint's begin.
struct Row {
    name: &'static str,
    config: &'static str,
    said: &'static [&'static str],
}

/// Three lines that stand before each of them.
const HEAD: &str = "version: 1
listeners: { public: { bind: 127.0.0.1:0 } }
backends: { shop: { targets: [\"http://127.0.0.1:9\"] } }
";

const ROWS: &[Row] = &[
    Row {
        name: "who may call is left out",
        config: "apis: { shop: { backend: shop, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:46: apis.shop.operations.all: says nothing about who may call; hint: paste `auth: ",
        ],
    },
    Row {
        name: "who may call is left empty",
        config: "apis: { shop: { backend: shop, auth: {}, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:38: apis.shop.auth: says nothing about who may call; hint: write one of `none`",
        ],
    },
    Row {
        name: "a credential is asked for optionally",
        config: "apis: { shop: { backend: shop, auth: { api_key: { mode: optional } }, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:51: apis.shop.auth.api_key.mode: unknown key; hint: known keys are `header`",
        ],
    },
    Row {
        name: "nobody is an alternative to somebody",
        config: "apis: { shop: { backend: shop, auth: { any_of: [{ api_key: {} }, none] }, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:66: apis.shop.auth.any_of[1]: `none` stands alone, not among others; hint: an alternative",
        ],
    },
    Row {
        name: "nobody is asked for the certificate that is looked at",
        config: "apis: { shop: { backend: shop, auth: { any_of: [certificate, api_key] }, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:32: apis.shop.auth: looks at client certificates, and listener `public` does not ask for them, since it speaks no TLS; hint: write `tls: ",
        ],
    },
    Row {
        name: "an option is misspelt",
        config: "apis: { shop: { backend: shop, auth: { api_key: { headr: x-key } }, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:51: apis.shop.auth.api_key.headr: unknown key; hint: did you mean `header`?",
        ],
    },
    Row {
        name: "an issuer's option is misspelt",
        config: "issuers: { corp: { isuer: https://idp.example.com, audiences: [shop] } }\n",
        said: &["portcullis.yaml:4:20: issuers.corp.isuer: unknown key; hint: did you mean `issuer`?"],
    },
    Row {
        name: "an issuer has two keys of one name",
        config: "issuers: { corp: { issuer: https://idp.example.com, jwks: two-of-one-kid.json, audiences: [shop] } }\n",
        said: &[
            "portcullis.yaml:4:53: issuers.corp.jwks: the key set counts for nothing: two keys of one `kid`",
        ],
    },
    Row {
        name: "an issuer may sign with nothing",
        config: "issuers: { corp: { openid: https://idp.example.com, audiences: [shop], algorithms: [none] } }\n",
        said: &[
            "portcullis.yaml:4:85: issuers.corp.algorithms[0]: \"none\" is no algorithm that is verified; hint: known are ",
        ],
    },
    Row {
        name: "a token is asked for of an issuer that is not there",
        config: "apis: { shop: { backend: shop, auth: { jwt: crop }, operations: { all: { match: \"* /{rest*}\" } } } }\n",
        said: &[
            "portcullis.yaml:4:45: apis.shop.auth.jwt: there is no issuer \"crop\"; hint: no issuer is declared",
        ],
    },
    Row {
        name: "a quota is negative",
        config: "plans: { gold: [{ name: month, quota: -3/month }] }\n",
        said: &[
            "portcullis.yaml:4:39: plans.gold[0].quota: expected a quota such as 1000000/month, found \"-3/month\"",
        ],
    },
    Row {
        name: "a quota is nothing",
        config: "plans: { gold: [{ name: month, quota: 0/month }] }\n",
        said: &[
            "portcullis.yaml:4:39: plans.gold[0].quota: expected a quota such as 1000000/month, found \"0/month\"",
        ],
    },
    Row {
        name: "a rate is no rate",
        config: "defaults: { limits: [{ name: burst, rate: -3 }] }\n",
        said: &[
            "portcullis.yaml:4:13: defaults.limits: is not built yet, so it does not load; hint: take it out",
        ],
    },
    Row {
        name: "a definition has one key twice",
        config: "apis: { shop: { backend: shop, auth: none, openapi: twice.yaml } }\n",
        said: &[
            "twice.yaml:6:5: the key \"get\" stands here for the second time; hint: the first is on line 5",
        ],
    },
    Row {
        name: "two consumers have one key",
        config: "consumers: { a: { apis: [\"*\"], credentials: [{ id: k, api_key: { sha256: \"00000000000000000000000000000000000000000000000000000000000000ff\" } }] }, b: { apis: [\"*\"], credentials: [{ id: k, api_key: { sha256: \"00000000000000000000000000000000000000000000000000000000000000ff\" } }] } }\n",
        said: &[
            "portcullis.yaml:4:209: consumers.b.credentials[0].api_key.sha256: is the key of another credential at portcullis.yaml:4; hint: ",
        ],
    },
    Row {
        name: "a secret is not there",
        config: "consumers: { a: { apis: [\"*\"], credentials: [{ id: k, api_key: { sha256: \"${env:NOT_SET_ANYWHERE}\" } }] } }\n",
        said: &[
            "portcullis.yaml:4:74: consumers.a.credentials[0].api_key.sha256: the environment variable NOT_SET_ANYWHERE is not set",
        ],
    },
    Row {
        name: "the console is on the network",
        config: "admin: { bind: 0.0.0.0:9900 }\n",
        said: &[
            "portcullis.yaml:4:16: admin.bind: the admin API on an address needs TLS; hint: add `tls:",
            "portcullis.yaml:4:16: admin.bind: the admin API on an address needs `operators`: nobody may use it",
        ],
    },
];

const TWICE: &str = "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /a:
    get: { security: [{ key: [] }] }
    get: {}
";

/// The key of RFC 8037, appendix A.2, twice.
const TWO_OF_ONE_KID: &str = r#"{"keys":[
    {"kid":"a","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kid":"a","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
]}"#;

#[test]
fn what_cannot_hold_does_not_load() {
    let mut findings = Findings::default();
    for Row { name, config, said } in ROWS {
        for verb in ["check", "run"] {
            let builder = Builder::new(executable(), format!("{HEAD}{config}"))
                .file("twice.yaml", TWICE)
                .file("two-of-one-kid.json", TWO_OF_ONE_KID);
            let output = builder.run(&[verb]);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let lacks = said.iter().find(|said| {
                !told.lines().any(|line| line.trim_start_matches("error: ").starts_with(**said))
            });
            let outcome = match (output.status.code(), lacks) {
                (Some(2), None) => Ok(()),
                (code, lacks) => Err(format!("exit code {code:?}, lacks {lacks:?}, says\n{told}")),
            };
            findings.note(format!("{verb}: {name}"), outcome);
        }
    }
    findings.conclude(32);
}
