//! Every name the gateway's records and metrics carry, once, each with the sentence its reference page prints.
//!
//! Field names follow OpenTelemetry where it has one and stand below `portcullis.` where it has none; metric
//! names are OpenTelemetry's in Prometheus form, or begin with `portcullis_`. Nothing else may write a name.

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, as the JSON member spells it.
    pub name: &'static str,
    /// The name with what surrounds it in a line, where it is not the first.
    pub(super) key: &'static str,
    /// The records that carry it.
    pub streams: &'static [Stream],
    /// One sentence for the reference.
    pub about: &'static str,
}

/// A stream of JSON lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// One record per exchange.
    Access,
    /// One record per security-relevant event.
    Incidents,
    /// What the process itself does: starts, reloads, warnings.
    Lifecycle,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 3] = [Self::Access, Self::Incidents, Self::Lifecycle];

    /// The word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Incidents => "incidents",
            Self::Lifecycle => "lifecycle",
        }
    }

    /// The value of `event.name` in its records.
    pub fn event(self) -> &'static str {
        match self {
            Self::Access => "portcullis.access",
            Self::Incidents => "portcullis.incident",
            Self::Lifecycle => "portcullis.lifecycle",
        }
    }
}

macro_rules! fields {
    ($($constant:ident = $name:literal in $streams:expr, $about:literal;)+) => {
        $(#[doc = $about]
        pub const $constant: Field = Field { name: $name, key: concat!(",\"", $name, "\":"), streams: $streams, about: $about };)+

        /// Every field, in the order in which records carry them.
        pub static FIELDS: &[Field] = &[$($constant),+];
    };
}

const EVERY: &[Stream] = &Stream::ALL;
const REQUEST: &[Stream] = &[Stream::Access, Stream::Incidents];
const ACCESS: &[Stream] = &[Stream::Access];
const INCIDENTS: &[Stream] = &[Stream::Incidents];
const LIFECYCLE: &[Stream] = &[Stream::Lifecycle];

fields! {
    TIMESTAMP = "timestamp" in EVERY, "When it began, RFC 3339 in UTC with milliseconds.";
    SEVERITY_TEXT = "severity_text" in EVERY, "`INFO` passed, `WARN` refused or worth a look, `ERROR` failed or worth waking someone.";
    EVENT_NAME = "event.name" in EVERY, "Which stream the line belongs to, for outputs that carry several.";
    MESSAGE = "message" in LIFECYCLE, "A fixed short sentence; what varies stands in fields of its own.";
    LOGGER = "log.logger" in LIFECYCLE, "The module that speaks.";
    INCIDENT_KIND = "portcullis.incident.kind" in INCIDENTS, "What happened: the code of a problem, or the name of an event of a connection.";
    INCIDENT_SEVERITY = "portcullis.incident.severity" in INCIDENTS, "`low`, `medium` or `high`.";
    REQUEST_ID = "request.id" in REQUEST, "The request's name in its reply, toward the backend, and for `explain`.";
    TRACE_ID = "trace_id" in REQUEST, "The W3C trace it is part of, in hexadecimal; the backend sees it in `traceparent`.";
    SPAN_ID = "span_id" in REQUEST, "Its own span in that trace: the parent of the backend's, or of the try at the backend where spans are exported.";
    PARENT_SPAN_ID = "portcullis.trace.parent" in ACCESS, "The span it is part of, where the trace was begun by someone who is believed.";
    LINKED_TRACE_ID = "portcullis.trace.linked" in ACCESS, "The trace that an unknown caller named, with `telemetry.parents: link`.";
    LINKED_SPAN_ID = "portcullis.trace.linked_span" in ACCESS, "The span in it that an unknown caller named.";
    LISTENER = "portcullis.listener" in REQUEST, "The listener that accepted the connection.";
    CLIENT_ADDRESS = "client.address" in REQUEST, "The client, as trusted proxies report it, else the peer.";
    PEER_ADDRESS = "network.peer.address" in REQUEST, "The other end of the connection.";
    PROTOCOL_VERSION = "network.protocol.version" in ACCESS, "`1.0`, `1.1` or `2`.";
    TLS_VERSION = "tls.protocol.version" in ACCESS, "`1.2` or `1.3`; absent on cleartext.";
    METHOD = "http.request.method" in ACCESS, "The method.";
    SCHEME = "url.scheme" in ACCESS, "`https` over TLS, else `http`.";
    SERVER_ADDRESS = "server.address" in ACCESS, "The host asked for, in its one spelling.";
    PATH = "url.path" in ACCESS, "The path in its one spelling, never its query.";
    ROUTE = "http.route" in ACCESS, "The operation's path template.";
    STATUS = "http.response.status_code" in ACCESS, "The status sent; absent when the client was gone before.";
    REQUEST_BYTES = "http.request.body.size" in ACCESS, "Bytes of the request's body that were read.";
    RESPONSE_BYTES = "http.response.body.size" in ACCESS, "Bytes of the reply's body that were written.";
    USER_AGENT = "user_agent.original" in ACCESS, "`User-Agent`, as sent.";
    API = "portcullis.api" in REQUEST, "The API.";
    OPERATION = "portcullis.operation" in REQUEST, "The operation.";
    CONSUMER = "portcullis.consumer" in REQUEST, "The consumer, once proven.";
    CREDENTIAL = "portcullis.credential" in REQUEST, "The id of the credential that proved it, never the credential.";
    DECISION = "portcullis.decision" in ACCESS, "`allowed`, `refused`, `answered` (by the gateway itself), `failed` or `aborted`.";
    CONTROL = "portcullis.control" in REQUEST, "The control that ended the exchange.";
    FLAG = "portcullis.flag" in ACCESS, "Whose fault it is when it did not end well: `client`, `backend` or `gateway`.";
    ERROR_TYPE = "error.type" in ACCESS, "The code of the problem that ended it.";
    CAUSE = "portcullis.cause" in REQUEST, "What the caller is not told.";
    OBSERVED = "portcullis.observed" in ACCESS, "The code of the problem by which a control in mode `observe` would have ended it; the first, if several would have.";
    OBSERVED_CAUSE = "portcullis.observed.cause" in ACCESS, "What the log is told of that problem.";
    RESPONSE_UNSEEN = "portcullis.response.unjudged" in ACCESS, "Why an answer that has gone was not judged (`contract.response: log`): `busy`, as many waited for that as `bounds.answers_waiting` allows; `too-large`, beyond `bounds.response_body`; `no-room`, `bounds.bodies_in_memory` was used up; `coding`, it could not be decoded.";
    EVIDENCE = "portcullis.incident.evidence" in INCIDENTS, "Method and path, or the request line as received when it never became a request; cut short, query values left out.";
    AUTHORIZER = "portcullis.authorizer" in ACCESS, "The authorizer that was asked.";
    AUTHORIZER_DURATION = "portcullis.authorizer.duration_ms" in ACCESS, "From asking the authorizer to its answer, or to giving up, in milliseconds.";
    UPSTREAM_ADDRESS = "portcullis.upstream.address" in ACCESS, "The target that was asked.";
    UPSTREAM_DURATION = "portcullis.upstream.duration_ms" in ACCESS, "From asking the target to the head of its answer, in milliseconds.";
    OVERHEAD = "portcullis.overhead_ms" in ACCESS, "From the request's head to the head of the target's answer, less the target's own share, in milliseconds; reading the client's body counts.";
    RESENDS = "http.request.resend_count" in ACCESS, "How often the request was sent again, or to another target, after the first try; absent when never.";
    DURATION = "portcullis.duration_ms" in ACCESS, "From the request's head to the last byte of the reply, in milliseconds.";
    CONFIG_HASH = "portcullis.config_hash" in ACCESS, "The configuration it was judged by: the hash that `portcullis_config_info` and `/readyz` show.";
}

/// An attribute of spans that no record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub name: &'static str,
    /// One sentence for the reference.
    pub about: &'static str,
}

macro_rules! attributes {
    ($($constant:ident = $name:literal, $about:literal;)+) => {
        $(#[doc = $about]
        pub const $constant: &str = $name;)+

        /// Every attribute of spans that is no field of records.
        pub static ATTRIBUTES: &[Attribute] = &[$(Attribute { name: $name, about: $about }),+];
    };
}

attributes! {
    SPAN_METHOD = "http.request.method_original", "The method, where `http.request.method` is `_OTHER`.";
    SPAN_PEER_PORT = "network.peer.port", "The port at the other end of the connection.";
    SPAN_PROBLEM = "portcullis.problem", "The code of the problem that ended it, whoever is to blame; `error.type` has it only where the gateway or a backend is.";
    SPAN_SERVER_PORT = "server.port", "The target's port.";
    SPAN_URL = "url.full", "What the target was asked for, without the query.";
    SPAN_RESENDS = "http.request.resend_count", "How many tries there were before this one.";
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, as samples spell it; of a histogram, without `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// What kind of metric it is.
    pub kind: Kind,
    /// Its labels. Their values come from the configuration and from lists in the code, never from a request.
    pub labels: &'static [&'static str],
    /// One sentence for the reference and for `# HELP`.
    pub about: &'static str,
}

/// Kinds of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Always 1; its labels say something.
    Info,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal $labels:expr, $about:literal;)+) => {
        $(#[doc = $about]
        pub const $constant: Metric = Metric { name: $name, kind: Kind::$kind, labels: &$labels, about: $about };)+

        /// Every metric, in the order of the exposition.
        pub static METRICS: &[Metric] = &[$($constant),+];
    };
}

metrics! {
    REQUEST_DURATION = Histogram "http_server_request_duration_seconds" ["api", "operation", "http_route", "http_request_method", "http_response_status_code"], "Time from a request's head to the last byte of its reply";
    REQUESTS = Counter "portcullis_requests_total" ["api", "operation", "outcome"], "Exchanges by how they ended";
    OBSERVED_TOTAL = Counter "portcullis_observed_total" ["api", "operation"], "Exchanges that a control in mode `observe` would have ended";
    DECISIONS = Counter "portcullis_decisions_total" ["control", "verdict"], "What each control decided";
    PROBLEMS = Counter "portcullis_problems_total" ["code"], "Error replies by problem";
    INCIDENTS_TOTAL = Counter "portcullis_incidents_total" ["kind", "severity"], "Incidents by kind";
    SHADOW_REQUESTS = Counter "portcullis_shadow_requests_total" ["answer"], "Requests for what no API publishes, by the status that was answered; `portcullis drift` names them";
    OPERATION_LAST_USED = Gauge "portcullis_operation_last_used_timestamp_seconds" ["api", "operation"], "When an operation was last used, since 1970; 0 while it never was";
    DEPRECATED_REQUESTS = Counter "portcullis_deprecated_requests_total" ["api", "operation"], "Uses of operations that the definition calls deprecated";
    RESPONSES_JUDGED = Counter "portcullis_responses_judged_total" ["api", "operation", "outcome"], "Answers that were judged by their contract, by what became of them: `conforms`; `objected`, and gone as it was (`log`); `stripped`; `masked`; `replaced`; `blocked`; `unjudged`, which were to be judged when they had gone and were not";
    UNDECLARED_NAMES = Counter "portcullis_undeclared_names_total" ["api", "operation", "side"], "Names that were seen and are not declared, in a `request` or a `response`; `portcullis drift` tells them";
    CREDENTIAL_FAILURES = Counter "portcullis_credential_failures_total" [], "Credentials that were checked and failed";
    HELD_BACK = Counter "portcullis_addresses_held_back_total" [], "How often a client address was held back, because too many of its credentials failed";
    OPEN_CONNECTIONS = Gauge "portcullis_open_connections" ["listener"], "Connections open now";
    CONNECTIONS_TOTAL = Counter "portcullis_connections_total" ["listener", "outcome"], "Connections by what became of them at the door; `validation` answered an authority that looked whether a name leads here";
    BODIES_IN_MEMORY = Gauge "portcullis_bodies_in_memory_bytes" [], "Bytes of request bodies held in memory, against `bounds.bodies_in_memory`";
    BACKEND_IN_FLIGHT = Gauge "portcullis_backend_requests_in_flight" ["backend", "target"], "Requests a target has under way, to the last byte of the reply";
    BACKEND_LEFT_OUT = Gauge "portcullis_backend_target_left_out" ["backend", "target"], "1 while a target is left out because it failed, else 0";
    BACKEND_FAILURES = Counter "portcullis_backend_failures_total" ["backend", "target"], "Requests at which a target failed, as `backends.*.eject` counts them";
    BACKEND_EJECTIONS = Counter "portcullis_backend_ejections_total" ["backend", "target"], "How often a target was left out because it failed";
    BACKEND_RETRIES = Counter "portcullis_backend_retries_total" ["backend"], "Repetitions of requests that a target may have heard, as `backends.*.retries` allows them";
    BACKEND_RETRIES_REFUSED = Counter "portcullis_backend_retries_refused_total" ["backend"], "Repetitions that `backends.*.retries.budget` did not allow";
    BACKEND_CIRCUIT_OPEN = Gauge "portcullis_backend_circuit_open" ["backend"], "1 while a backend is left alone or on trial because it failed, else 0";
    BACKEND_CIRCUIT_OPENINGS = Counter "portcullis_backend_circuit_openings_total" ["backend"], "How often a backend was left alone because it failed";
    BACKEND_WAITING = Gauge "portcullis_backend_requests_waiting" ["backend"], "Requests that wait for a place at a backend";
    BACKEND_REFUSED = Counter "portcullis_backend_refused_total" ["backend", "reason"], "Requests that were not sent to a backend: its circuit was open (`breaker`), or it had as many as it may have (`concurrency`)";
    BACKEND_HEALTHY = Gauge "portcullis_backend_target_healthy" ["backend", "target"], "1 while a target passes its health checks, else 0; absent without checks";
    BACKEND_CHECKS = Counter "portcullis_backend_health_checks_total" ["backend", "target", "outcome"], "Health checks by outcome: `good` or `failed`";
    BACKEND_ADDRESSES = Gauge "portcullis_backend_target_addresses" ["backend", "target"], "Addresses a target has that is given by a name; 0 while it never resolved";
    BACKEND_NAME_FAILURES = Counter "portcullis_backend_name_failures_total" ["backend", "target"], "How often the name of a target did not resolve; its last addresses are kept";
    ISSUER_KEYS = Gauge "portcullis_issuer_keys" ["issuer"], "Keys known of an issuer; 0 while none count, and its tokens cannot be verified";
    ISSUER_KEYS_AGE = Gauge "portcullis_issuer_keys_age_seconds" ["issuer"], "How long ago the keys of an issuer were fetched; they count for `issuers.*.keep`";
    ISSUER_FETCHES = Counter "portcullis_issuer_fetches_total" ["issuer", "outcome"], "Fetches of an issuer's keys by outcome: `good` or `failed`";
    ISSUER_INTROSPECTIONS = Counter "portcullis_issuer_introspections_total" ["issuer", "outcome"], "Calls to an issuer about a token by outcome: `good` or `failed`";
    ISSUER_TOKENS = Counter "portcullis_issuer_tokens_total" ["issuer", "outcome"], "Tokens that were judged, not counting those known from before: `verified`, `refused`, or `unavailable` because the issuer could not be asked";
    AUTHORIZER_CALLS = Counter "portcullis_authorizer_calls_total" ["authorizer", "outcome"], "Questions to an authorizer by outcome: `allowed`, `denied`, `let_through` (`on_error: allow`), or `failed`, and the request was answered 503";
    AUTHORIZER_SECONDS = Counter "portcullis_authorizer_seconds_total" ["authorizer"], "Time that requests waited for an authorizer";
    AUTHORIZER_IN_FLIGHT = Gauge "portcullis_authorizer_calls_in_flight" ["authorizer"], "Questions to an authorizer under way, against `authorizers.*.calls`";
    CONTRACTS_COMPILED = Counter "portcullis_contracts_compiled_total" [], "Contracts that were compiled; one whose definition did not change is kept";
    CONFIG_INFO = Info "portcullis_config_info" ["hash"], "The configuration in force";
    CONFIG_LAST_RELOAD_SUCCESS = Gauge "portcullis_config_last_reload_success" [], "1 when the last configuration read is in force, 0 when it was refused";
    CONFIG_LAST_RELOAD_TIME = Gauge "portcullis_config_last_reload_timestamp_seconds" [], "When a configuration was last read, since 1970";
    PANICS = Counter "portcullis_panics_total" [], "Panics; each is a defect of the gateway, ends one exchange or connection, and is told in the log";
    SNAPSHOTS_ALIVE = Gauge "portcullis_snapshots_alive" [], "Compiled configurations in memory: the one in force, and those that exchanges still finish with";
    SIGNING_KEYS = Gauge "portcullis_signing_keys" [], "Keys of our own that are published; 0 while there is none to sign with";
    SIGNING_UP = Gauge "portcullis_signing_up" [], "1 while there is a key of our own that may be signed with, else 0";
    SIGNING_KEY_AGE = Gauge "portcullis_signing_key_age_seconds" [], "How long the key in use has been used";
    SIGNING_OVERDUE = Gauge "portcullis_signing_overdue_seconds" [], "How long the key in use has been used past its time, because none could follow it; 0 when all is well";
    STORE_UP = Gauge "portcullis_store_up" ["kind"], "Whether the store of consumers answers.";
    STORE_REVISION = Gauge "portcullis_store_revision" [], "The revision of the store that counts here.";
    STORE_CONSUMERS = Gauge "portcullis_store_consumers" [], "Consumers of the store that count here.";
    STORE_ROWS_REFUSED = Gauge "portcullis_store_rows_refused" [], "Rows of the store that are left out, for what they say is not understood.";
    CERT_NOT_AFTER = Gauge "portcullis_cert_not_after_timestamp_seconds" ["role", "name", "place"], "When a certificate that is used or trusted expires, since 1970: of each place in the configuration the one that is first";
    CRL_NEXT_UPDATE = Gauge "portcullis_crl_next_update_timestamp_seconds" ["name", "place"], "When a revocation list must have been replaced, since 1970; from then on none of its authority's clients is accepted";
    ACME_ORDERS = Counter "portcullis_acme_orders_total" ["name", "outcome"], "Orders of certificates from authorities by outcome: `good` or `failed`";
    LOG_DROPPED = Counter "portcullis_log_dropped_total" ["stream"], "Records lost because their output was too slow or broken";
    LOG_WRITE_ERRORS = Counter "portcullis_log_write_errors_total" ["stream"], "Failed writes to the output of a stream";
    SPANS = Counter "portcullis_spans_total" ["outcome"], "Spans by what became of them: `exported`; `rejected` by the collector; `failed`, because it took none in time or refused them; `dropped`, because too many waited for it";
    PROCESS_MEMORY = Gauge "process_resident_memory_bytes" [], "Resident memory";
    PROCESS_FDS = Gauge "process_open_fds" [], "Open file descriptors";
    PROCESS_FDS_MAX = Gauge "process_max_fds" [], "Most file descriptors the process may open";
    PROCESS_CPU = Counter "process_cpu_seconds_total" [], "Processor time, user and system";
    PROCESS_START = Gauge "process_start_time_seconds" [], "When the process started, since 1970";
}
