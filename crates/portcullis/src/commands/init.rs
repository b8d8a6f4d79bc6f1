//! `portcullis init`: a configuration to begin with, with a key of its own.

use std::fs::OpenOptions;
use std::io::Write;

use anyhow::Context;
use portcullis_identity::api_key::ApiKey;

use crate::args::Init;
use crate::output::{Outcome, say};

/// Writes the file, unless there is one.
pub(crate) fn init(init: &Init) -> anyhow::Result<Outcome> {
    let key = ApiKey::generate().map_err(|_| anyhow::anyhow!("the system gave no randomness"))?;
    let text = text(init, &key.digest().to_string());
    let name = init.file.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&init.file)
        .with_context(|| format!("cannot create {name}"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {name}"))?;
    say(format_args!("{name} is written. Its API key is shown once:"));
    say("");
    say(format_args!("  {}", key.reveal()));
    say("");
    say(format_args!("  portcullis run -c {name}"));
    say(format_args!("  curl -H 'x-api-key: {}' http://{}/", key.reveal(), init.listen));
    Ok(Outcome::Good)
}

fn text(init: &Init, sha256: &str) -> String {
    format!(
        r#"# Portcullis. `portcullis schema > portcullis.schema.json` gives editors the schema.
# yaml-language-server: $schema=./portcullis.schema.json
version: 1

listeners:
  public: {{ bind: {listen} }}

consumers:
  partner:
    apis: [service]
    credentials:
      - {{ id: k1, api_key: {{ sha256: "{sha256}" }} }}

backends:
  service: {{ targets: ["{backend}"] }}

apis:
  service:
    backend: service
    auth: {{ api_key: {{}} }}          # `auth: none` must be written out
    operations:
      everything: {{ match: "* /{{rest*}}" }}
"#,
        listen = init.listen,
        backend = init.backend,
    )
}
