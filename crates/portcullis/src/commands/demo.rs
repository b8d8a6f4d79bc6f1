//! `portcullis demo`: a real gateway before a built-in backend, and requests to try.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use portcullis_gateway::config::{self, Desk, Documents};
use portcullis_gateway::observe::lifecycle::{self, Format};
use portcullis_identity::api_key::ApiKey;

use crate::args::Demo;
use crate::output::{Outcome, findings, say};
use crate::sample;
use crate::service::{Service, Signals, Source, Wishes};

/// What the API declares. Anything else does not pass.
const DEFINITION: &str = r##"openapi: 3.1.0
info: { title: Orders, version: "1" }
paths:
  /status:
    get: { operationId: getStatus }
  /:
    get:
      operationId: listOrders
      parameters: [{ name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }]
    post:
      operationId: createOrder
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Order" } } } }
  /{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: integer } }]
    get: { operationId: getOrder }
    delete: { operationId: deleteOrder }
components:
  schemas:
    Order:
      type: object
      required: [item]
      properties:
        item: { type: string, maxLength: 40 }
        quantity: { type: integer, minimum: 1 }
"##;

/// Serves until told to end.
pub(crate) fn demo(demo: &Demo) -> anyhow::Result<Outcome> {
    let log = lifecycle::init(Format::Auto)?;
    let key = ApiKey::generate().map_err(|_| anyhow::anyhow!("the system gave no randomness"))?;
    let backend = sample::start()?;
    let text = text(demo, backend, &key.digest().to_string());
    let documents = [("demo.yaml", text.as_str()), ("orders.yaml", DEFINITION)];
    let documents: Documents =
        documents.iter().map(|(name, text)| (PathBuf::from(name), text.as_bytes().into())).collect();
    let loaded = config::load_from(Path::new("demo.yaml"), Desk::Only(&documents), &mut Vec::new());
    let loaded = loaded.map_err(|found| findings(&found))?;
    let signals = Signals::install()?;
    let (service, doors) = Service::start(&loaded, Source::Made, Wishes::default(), &log)?;
    let listening = service.gateway().addresses().first().map_or(demo.listen, |(_, address, _)| *address);
    let probes = doors.probes().unwrap_or(demo.probes);
    for line in tour(listening, probes, key.reveal()) {
        say(line);
    }
    service.wait(signals)?;
    doors.close();
    Ok(Outcome::Good)
}

fn text(demo: &Demo, backend: SocketAddr, sha256: &str) -> String {
    format!(
        r#"version: 1
state: none
admin: {{ probes: "{probes}" }}
listeners:
  public: {{ bind: "{listen}" }}
consumers:
  visitor:
    apis: [orders]
    credentials:
      - {{ id: demo, api_key: {{ sha256: "{sha256}", scopes: [orders.read, orders.write] }} }}
backends:
  sample: {{ targets: ["http://{backend}"] }}
apis:
  orders:
    openapi: orders.yaml
    base_path: /orders
    backend: sample
    auth: {{ api_key: {{}} }}
    operations:
      getStatus: {{ auth: none }}
      listOrders: {{ require: {{ scopes: [orders.read] }} }}
      getOrder: {{ require: {{ scopes: [orders.read] }} }}
      createOrder: {{ require: {{ scopes: [orders.write] }} }}
      deleteOrder: {{ require: {{ scopes: [orders.delete] }} }}
"#,
        probes = demo.probes,
        listen = demo.listen,
    )
}

/// The lines a visitor sees. Each command works as printed.
fn tour(listening: SocketAddr, probes: SocketAddr, key: &str) -> Vec<String> {
    let base = format!("http://{listening}");
    let step = |what: &str, command: String| vec![format!("# {what}"), command, String::new()];
    [
        vec![
            String::new(),
            "Portcullis is up, before a sample backend. Try, in another terminal:".to_owned(),
            String::new(),
        ],
        step(
            "open to everybody: the backend shows what it received",
            format!("curl -i {base}/orders/status"),
        ),
        step(
            "known: a key with the scope `orders.read`",
            format!("curl -i -H 'x-api-key: {key}' {base}/orders/42"),
        ),
        step("refused: no credential", format!("curl -i {base}/orders/42")),
        step(
            "refused: the key does not carry `orders.delete`",
            format!("curl -i -H 'x-api-key: {key}' -X DELETE {base}/orders/42"),
        ),
        step(
            "what the API's definition declares",
            format!("curl -i -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{{\"item\":\"tea\",\"quantity\":2}}' {base}/orders/"),
        ),
        step(
            "refused: a quantity that is none, and a field that nobody declared",
            format!(
                "curl -i -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{{\"item\":\"tea\",\"quantity\":\"two\",\"price\":0}}' {base}/orders/"
            ),
        ),
        step(
            "refused: a query parameter beyond its bound",
            format!("curl -i -H 'x-api-key: {key}' '{base}/orders/?limit=1000'"),
        ),
        step("refused: not declared", format!("curl -i {base}/admin")),
        step(
            "refused: a path that two parsers could read differently",
            format!("curl -i --path-as-is {base}/orders/status/..%2f..%2fadmin"),
        ),
        step("healthy?", format!("curl -i http://{probes}/readyz")),
        step("measured", format!("curl -s http://{probes}/metrics")),
        vec![
            "Every request leaves one access record below, every refusal an incident. Ctrl-C ends it."
                .to_owned(),
        ],
    ]
    .concat()
}
