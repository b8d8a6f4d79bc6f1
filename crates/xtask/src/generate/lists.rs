//! Pages that are one list each: problems, metrics, records, bounds, claims.

use portcullis_admin as admin;
use portcullis_gateway::bounds::Bounds;
use portcullis_gateway::config::Role;
use portcullis_gateway::http::claims::CLAIMS;
use portcullis_gateway::observe::names::{ATTRIBUTES, FIELDS, Kind, METRICS, Stream};
use portcullis_gateway::pipeline::{decoded, identified, judged};
use portcullis_gateway::problem::{ProblemKind, Severity};
use portcullis_gateway::{exchange, policies, snapshot, upstream};

use super::markdown::{code, page, table};

/// Kinds that stand alone beside the code that raises them; that none is missing here is a test.
const ALONE: &[&ProblemKind] = &[
    &identified::CREDENTIAL_MISSING,
    &identified::CREDENTIAL_INVALID,
    &identified::API_NOT_GRANTED,
    &judged::BODY_TOO_LARGE,
    &judged::BODY_NO_ROOM,
    &judged::BODY_INCOMPLETE,
    &judged::BODY_TIMEOUT,
    &decoded::CODING_UNSUPPORTED,
    &decoded::CODING_MALFORMED,
    &snapshot::LISTENER_GONE,
];

/// Every kind of problem, by code.
pub(crate) fn kinds() -> Vec<&'static ProblemKind> {
    let of_policies = policies::POLICIES.iter().flat_map(|policy| policy.problems);
    let listed = ALONE
        .iter()
        .chain(exchange::PROBLEMS)
        .chain(upstream::PROBLEMS)
        .chain(admin::PROBLEMS)
        .chain(of_policies);
    let mut kinds: Vec<&ProblemKind> = listed.copied().collect();
    kinds.sort_by_key(|kind| kind.code);
    kinds.dedup_by_key(|kind| kind.code);
    kinds
}

/// The catalogue of problems.
pub(crate) fn problems() -> String {
    let about = "Every error reply that the gateway makes is `application/problem+json` (RFC 9457). `code` is stable: clients may\n\
        match on it; `type` is `urn:portcullis:problem:` and the code; `instance` is the request id. The detail never\n\
        repeats what was sent. A problem with a severity is also an incident.";
    let mut out = page("Problems", about);
    let columns = ["code", "status", "title", "blame", "incident", "when, and what to do"];
    let rows = kinds().into_iter().map(|kind| {
        let severity = kind.severity.map_or("–", Severity::as_str);
        vec![
            code(kind.code),
            kind.status.as_u16().to_string(),
            kind.title.to_owned(),
            kind.blame.as_str().to_owned(),
            severity.to_owned(),
            kind.about.to_owned(),
        ]
    });
    out.push_str(&table(&columns, rows));
    out
}

/// The catalogue of metrics.
pub(crate) fn metrics() -> String {
    let about = "Served at `/metrics` of the probes listener, in the Prometheus text format. Labels take their values from the\n\
        configuration and from lists in the code, never from a request.";
    let mut out = page("Metrics", about);
    let rows = METRICS.iter().map(|metric| {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
        vec![code(metric.name), kind.to_owned(), labels.join(", "), metric.about.to_owned()]
    });
    out.push_str(&table(&["name", "kind", "labels", "about"], rows));
    out
}

/// What of the admin API needs which role.
pub(crate) fn roles() -> String {
    let about = "What each request of the admin API needs of an operator who asks over the network (`admin.bind` on an address). On the\n\
        admin socket everything may be asked by whoever may open it. `admin-api.json` says the same as `x-portcullis-roles`.";
    let mut out = page("Roles of the admin API", about);
    let rows = admin::ROUTES.iter().map(|route| {
        let mut row = vec![code(route.method), code(&format!("/api/v1{}", route.path))];
        for role in [Role::Viewer, Role::Operator, Role::Security] {
            let may = route.right.roles().contains(&role);
            row.push(if may { "yes" } else { "–" }.to_owned());
        }
        row.push(route.about.to_owned());
        row
    });
    out.push_str(&table(&["method", "path", "`viewer`", "`operator`", "`security`", "what it does"], rows));
    out
}

/// The fields of records.
pub(crate) fn records() -> String {
    let about = "The gateway writes JSON lines: one access record for each exchange, one record for each incident, and a log of\n\
        its own life. Query values, credentials and bodies stand in none of them.";
    let mut out = page("Records", about);
    let rows = FIELDS.iter().map(|field| {
        let streams: Vec<&str> = field.streams.iter().map(|stream| Stream::as_str(*stream)).collect();
        vec![code(field.name), streams.join(", "), field.about.to_owned()]
    });
    out.push_str(&table(&["field", "in", "about"], rows));
    out.push_str(
        "\n## Spans\n\nThe span of an exchange has what its access record says of it, under the same names, but for the times, the cause and\n\
         the configuration; that of a try at a target has the method, the status, `error.type` and the target's\n\
         `server.address`. No record has:\n\n",
    );
    let rows = ATTRIBUTES.iter().map(|attribute| vec![code(attribute.name), attribute.about.to_owned()]);
    out.push_str(&table(&["attribute", "about"], rows));
    out
}

/// The table of bounds.
pub(crate) fn bounds() -> String {
    let about = "What the gateway allows itself and its peers. Each bound is finite and stands under `bounds:`; those that hold for\n\
        one request may also stand at an API or operation. A value outside its range does not load.\n\
        `portcullis bounds` prints the values in force.";
    let mut out = page("Bounds", about);
    let rows = Bounds::table().into_iter().map(|row| {
        let place = if row.per_operation { "gateway, API, operation" } else { "gateway" };
        vec![
            code(row.key),
            code(&row.default.to_string()),
            format!("{} to {}", row.least, row.most),
            place.to_owned(),
            row.protects.to_owned(),
        ]
    });
    out.push_str(&table(&["bound", "default", "range", "at", "protects, and what happens beyond it"], rows));
    out
}

/// Fields that only the gateway may say.
pub(crate) fn claims() -> String {
    let about = "Backends believe these fields because only their gateway can reach them, so a copy from outside is dropped: on\n\
        every route, whoever sent it, in the head and in trailers, and in every spelling that a backend may read as the\n\
        same name (`X-Real-IP`, `x_real_ip`, `X.Real.IP`). A star stands for any ending.";
    let mut out = page("Claims", about);
    let rows = CLAIMS.iter().map(|claimant| {
        let fields: Vec<String> = claimant.fields.iter().map(|field| code(field)).collect();
        vec![claimant.who.to_owned(), fields.join(", ")]
    });
    out.push_str(&table(&["said by", "fields"], rows));
    out
}
