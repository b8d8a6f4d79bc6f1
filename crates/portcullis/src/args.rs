//! The command line. Doc comments here are its help.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use portcullis_gateway::config::values;

/// API security gateway: stands between remote clients and your services, and lets pass only what is well-formed,
/// declared, genuine, permitted and harmless.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve, by a configuration file or an API definition
    Run(Run),
    /// Try it: a real gateway before a built-in backend; prints requests to try
    Demo(Demo),
    /// Serve an API definition without anything behind it: examples, and values made from its schemas
    Mock(Mock),
    /// Judge a configuration without serving
    Check(Check),
    /// Write a configuration to begin with
    Init(Init),
    /// List the published operations: who may call what, and where it goes
    Routes(Routes),
    /// Show how much of each definition is enforced, and each gap with its reason
    Coverage(Coverage),
    /// Make API keys, for the configuration or the store
    Keys(Keys),
    /// Make, list and delete the consumers in the store of a running gateway
    Consumers(Consumers),
    /// Make tokens for those who may operate the gateway over the network
    Operators(Operators),
    /// Say why a request was let through or refused, or what would become of one
    Explain(Explain),
    /// Show who can call what
    Access(Access),
    /// List what a configuration leaves open
    Audit(Audit),
    /// Score how much of a definition protects, and write an Overlay that mends it
    Lint(Lint),
    /// Show how a running gateway is: phase, configuration, listeners
    Status(Ask),
    /// Show what the configuration file, or a candidate, would change of what runs; or, of two API definitions, what the new one breaks
    Diff(Diff),
    /// Apply a candidate, or the configuration file anew, to a running gateway
    Apply(Apply),
    /// Keep the configuration that `apply --confirm` put in force
    Confirm(Ask),
    /// Go back to the configuration before, or to a kept one
    Rollback(Rollback),
    /// Let a running gateway end: readiness first, then its clients, then the process
    Drain(Drain),
    /// List the certificates that a running gateway uses and trusts, and when they end
    Certs(Certs),
    /// Show what was asked and answered and is not declared, and what is declared and nobody asks for
    Drift(Ask),
    /// List every bound of the data plane, with its default and what it protects
    Bounds(Inspect),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Ask a running gateway whether it is ready; for containers without a shell
    Healthcheck(Healthcheck),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the version
    Version,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Config {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "portcullis.yaml", env = "PORTCULLIS_CONFIG")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Serve this API definition without a configuration file: an OpenAPI document, 2.0 to 3.2
    #[arg(long, value_name = "FILE", requires = "backend", conflicts_with = "config")]
    pub(crate) openapi: Option<PathBuf>,
    /// Where the API's requests go; a path in it stands in for the one of the definition
    #[arg(long, value_name = "URL", requires = "openapi")]
    pub(crate) backend: Option<String>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", requires = "openapi")]
    pub(crate) listen: SocketAddr,
    /// Where to serve health and metrics
    #[arg(long, value_name = "ADDRESS", requires = "openapi")]
    pub(crate) probes: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) terms: QuickTerms,
    /// Folder for what must survive a restart; overrides `state:` and $STATE_DIRECTORY
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// When the configuration file does not load, serve the last one that did; a broken file ends the start otherwise
    #[arg(long, conflicts_with = "openapi")]
    pub(crate) or_last_good: bool,
    /// Take over from the gateway that runs by this configuration: its listening sockets first, then its clients. When
    /// that does not work out, it goes on as before, and this ends with a reason
    #[arg(long, conflicts_with_all = ["openapi", "or_last_good"])]
    pub(crate) take_over: bool,
    /// Threads that serve; one per core unless given
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

/// What is looked at: a configuration file, or what `run --openapi` would serve.
#[derive(Debug, ClapArgs)]
pub(crate) struct Subject {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Look at this API definition instead, as `run --openapi` would serve it
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) openapi: Option<PathBuf>,
    /// Where the API's requests would go
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000", requires = "openapi")]
    pub(crate) backend: String,
    #[command(flatten)]
    pub(crate) terms: QuickTerms,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Coverage {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) subject: Subject,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Routes {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How an API is served without a configuration file.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct QuickTerms {
    #[command(flatten)]
    pub(crate) who: QuickWho,
    /// Lay an OpenAPI Overlay on the definition before it is read; may be given several times
    #[arg(long = "overlay", value_name = "FILE", requires = "openapi")]
    pub(crate) overlays: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) contract: QuickContract,
    /// Leave something of the definition out: /path, "METHOD /path" or an operationId; may be given several times
    #[arg(long, value_name = "KEY", requires = "openapi")]
    pub(crate) skip: Vec<String>,
}

/// Who may call an API that is served without a configuration file.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct QuickWho {
    /// Who may call
    #[arg(long, value_name = "WHO", default_value = "api_key", requires = "openapi")]
    pub(crate) auth: QuickAuth,
    /// Whose tokens count where the definition asks for some: the URL of an OpenID provider
    #[arg(long, value_name = "URL", requires = "openapi")]
    pub(crate) issuer: Option<String>,
    /// An audience of which its tokens must name one; may be given several times. Unless given, the name of the API, which is that of the definition's file
    #[arg(long = "audience", value_name = "NAME", requires = "issuer")]
    pub(crate) audiences: Vec<String>,
}

/// How the contract of an API is kept that is served without a configuration file.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct QuickContract {
    /// Whether requests must follow the definition
    #[arg(long, value_name = "MODE", default_value = "enforce", requires = "openapi")]
    pub(crate) contract: QuickMode,
    /// What becomes of operations of which the definition says something that cannot be enforced
    #[arg(long, value_name = "WHAT", default_value = "refuse", requires = "openapi")]
    pub(crate) on_uncovered: QuickUncovered,
}

/// Whether the contract acts, without a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum QuickMode {
    /// It does not look
    Off,
    /// It looks, counts and logs what it would have refused
    Observe,
    /// It refuses
    Enforce,
}

/// What becomes of uncovered operations, without a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum QuickUncovered {
    /// Their requests are answered 501
    Refuse,
    /// What cannot be judged passes
    Pass,
}

impl QuickContract {
    /// As the configuration writes it.
    pub(crate) fn words(self) -> String {
        let mode = match self.contract {
            QuickMode::Off => "off",
            QuickMode::Observe => "observe",
            QuickMode::Enforce => "enforce",
        };
        let uncovered = match self.on_uncovered {
            QuickUncovered::Refuse => "refuse",
            QuickUncovered::Pass => "pass",
        };
        format!("{{ mode: {mode}, on_uncovered: {uncovered} }}")
    }
}

/// The ways to say who may call, without a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum QuickAuth {
    /// Holders of a key that is made and shown once
    ApiKey,
    /// Whom the definition's `security` names: with keys, the one that is made and shown; with tokens, those of `--issuer`
    Definition,
    /// Anybody
    None,
}

impl QuickAuth {
    /// As the configuration writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::ApiKey => "{ api_key: {} }",
            Self::Definition => "definition",
            Self::None => "none",
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where to serve health and metrics
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    pub(crate) probes: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Mock {
    /// The API definition: an OpenAPI document, 2.0 to 3.2
    #[arg(long, value_name = "FILE")]
    pub(crate) openapi: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// What made values are made from: the same seed and request, the same answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Lay an OpenAPI Overlay on the definition before it is read; may be given several times
    #[arg(long = "overlay", value_name = "FILE")]
    pub(crate) overlays: Vec<PathBuf>,
    /// Leave something of the definition out: /path, "METHOD /path" or an operationId; may be given several times
    #[arg(long, value_name = "KEY")]
    pub(crate) skip: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// The file to write; an existing one is left alone
    #[arg(value_name = "FILE", default_value = "portcullis.yaml")]
    pub(crate) file: PathBuf,
    /// Where the service behind the gateway is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    pub(crate) backend: String,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inspect {
    #[command(flatten)]
    pub(crate) config: Config,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Make a key for the configuration, show it once, and print the block to paste
    New(NewKey),
    /// Make a key of a consumer in the store, and show it once; or let a user or the holder of a certificate in
    Add(AddKey),
    /// List the credentials of a consumer in the store
    List(OfConsumer),
    /// Make a key that takes another's place, and show it once
    Rotate(RotateKey),
    /// End a credential at a time
    Expire(ExpireKey),
    /// End a credential now, on every node within five seconds
    Revoke(OfCredential),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OfConsumer {
    /// The consumer
    #[arg(value_name = "CONSUMER")]
    pub(crate) consumer: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OfCredential {
    /// The consumer
    #[arg(value_name = "CONSUMER")]
    pub(crate) consumer: String,
    /// The credential's id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddKey {
    #[command(flatten)]
    pub(crate) of: OfConsumer,
    #[command(flatten)]
    pub(crate) means: Means,
    /// An id for the credential, for logs; made up unless given
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// A scope it carries; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The last day on which it is good, such as 2027-06-30, or an instant such as 2027-06-30T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// The first day or instant at which it is good
    #[arg(long, value_name = "TIME")]
    pub(crate) not_before: Option<String>,
    /// A network it may be presented from, such as 10.0.0.0/8; may be given several times
    #[arg(long = "address", value_name = "NETWORK")]
    pub(crate) addresses: Vec<String>,
    /// SHA-256 of the client certificate it must be presented with
    #[arg(long, value_name = "SHA256")]
    pub(crate) with_certificate: Option<String>,
}

/// What a credential that is no key is proven by.
#[derive(Debug, ClapArgs)]
#[group(multiple = false)]
pub(crate) struct Means {
    /// A user of this name instead of a key; the password is the first line of standard input
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The holder of a client certificate with this subject alternative name instead of a key
    #[arg(long, value_name = "NAME")]
    pub(crate) san: Option<String>,
    /// The holder of a client certificate of this subject, such as CN=partner,O=Example, instead of a key
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
    /// The holder of a client certificate with this SPIFFE id instead of a key
    #[arg(long, value_name = "ID")]
    pub(crate) spiffe: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    pub(crate) of: OfCredential,
    /// How long the old key goes on, such as 24h
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "24h")]
    pub(crate) overlap: Duration,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExpireKey {
    #[command(flatten)]
    pub(crate) of: OfCredential,
    /// The last day on which it is good, or an instant
    #[arg(long, value_name = "TIME")]
    pub(crate) at: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Consumers {
    #[command(subcommand)]
    pub(crate) verb: ConsumersVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConsumersVerb {
    /// Make a consumer
    Create(PutConsumer),
    /// Give a consumer another grant
    Change(PutConsumer),
    /// List all consumers
    List(Ask),
    /// Show a consumer with its credentials
    Show(OfConsumer),
    /// Delete a consumer with all its credentials
    Delete(OfConsumer),
    /// List the latest hundred writes: who did what, the last one first
    Log(Log),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Log {
    /// Go on before this revision, the last one that was listed
    #[arg(long, value_name = "REVISION")]
    pub(crate) before: Option<u32>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PutConsumer {
    #[command(flatten)]
    pub(crate) of: OfConsumer,
    /// An API its credentials open; may be given several times; `*` for all
    #[arg(long = "api", value_name = "NAME", required = true)]
    pub(crate) apis: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NewKey {
    /// The consumer it will belong to
    #[arg(long, value_name = "NAME", default_value = "partner")]
    pub(crate) consumer: String,
    /// An id for the credential, for logs
    #[arg(long, value_name = "ID", default_value = "k1")]
    pub(crate) id: String,
    /// An API it opens; may be given several times
    #[arg(long = "api", value_name = "NAME")]
    pub(crate) apis: Vec<String>,
    /// A scope it carries; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Operators {
    #[command(subcommand)]
    pub(crate) verb: OperatorsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorsVerb {
    /// Make a token, show it once, and print the block to paste
    New(NewOperator),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NewOperator {
    /// Whose it is
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What may be done with it
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: OperatorRole,
    /// An id for the token, for records
    #[arg(long, value_name = "ID", default_value = "t1")]
    pub(crate) id: String,
    /// The last day on which it is good, such as 2027-06-30, or an instant such as 2027-06-30T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OperatorRole {
    /// Read everything, change nothing
    Viewer,
    /// Change the configuration, end the process
    Operator,
    /// Manage consumers and their credentials
    Security,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Access {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Only what this method on PATH leads to
    #[arg(value_name = "METHOD", requires = "path")]
    pub(crate) method: Option<String>,
    /// A path as a client writes it, without a query
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Only what this consumer can call: one of the configuration or of the store, or `ISSUER/SUBJECT`
    #[arg(long, value_name = "NAME")]
    pub(crate) consumer: Option<String>,
    /// Folder in which the gateway keeps its state, and with it the store; as given to `run`
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Say no (exit code 1) when something of this grade or a higher one is found
    #[arg(long, value_name = "GRADE")]
    pub(crate) fail_on: Option<Grade>,
    /// Print JSON
    #[arg(long, conflicts_with = "sarif")]
    pub(crate) json: bool,
    /// Print SARIF 2.1.0
    #[arg(long)]
    pub(crate) sarif: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Lint {
    /// The definition: an OpenAPI document, 2.0 to 3.2
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Lay an OpenAPI Overlay on the definition before it is read; may be given several times
    #[arg(long = "overlay", value_name = "FILE")]
    pub(crate) overlays: Vec<PathBuf>,
    /// Say no (exit code 1) when it scores less than this, of 100 points
    #[arg(long, value_name = "POINTS")]
    pub(crate) fail_below: Option<u8>,
    /// Write what can be mended without knowing the API as one Overlay
    #[arg(long, value_name = "FILE")]
    pub(crate) fixes: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "sarif")]
    pub(crate) json: bool,
    /// Print SARIF 2.1.0
    #[arg(long)]
    pub(crate) sarif: bool,
}

/// How grave a finding of the audit is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Grade {
    /// Anybody may do harm
    High,
    /// Harm is easier than it should be
    Medium,
    /// Could be tighter
    Low,
}

impl Grade {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Explain {
    /// The request id, as in `x-request-id`, `instance` or the access record
    #[arg(value_name = "REQUEST-ID", required_unless_present = "request")]
    pub(crate) id: Option<String>,
    /// Say what would become of this request by the configuration, without sending it: "GET /orders/1"
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["id", "socket"])]
    pub(crate) request: Option<String>,
    /// A field of that request, "Name: value"; may be given several times. Unless one is `Host`, the host is `localhost`
    #[arg(long = "header", value_name = "FIELD", requires = "request")]
    pub(crate) headers: Vec<String>,
    /// The body of that request, as it would be sent
    #[arg(long, value_name = "TEXT", requires = "request")]
    pub(crate) body: Option<String>,
    /// The listener that request would come over; the first unless given
    #[arg(long, value_name = "NAME", requires = "request")]
    pub(crate) listener: Option<String>,
    /// The address that request would come from
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "request")]
    pub(crate) from: IpAddr,
    /// The client certificate of its connection, in PEM, taken for verified
    #[arg(long, value_name = "FILE", requires = "request")]
    pub(crate) certificate: Option<PathBuf>,
    /// Folder in which the gateway keeps its state, and with it the store; as given to `run`
    #[arg(long, value_name = "DIR", requires = "request")]
    pub(crate) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Socket {
    #[command(flatten)]
    pub(crate) config: Config,
    /// The admin socket of the running gateway; found through the configuration unless given
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The admin API of a gateway elsewhere, such as https://gateway.example.com:9443; `--socket` comes before it
    #[arg(long, value_name = "URL", env = "PORTCULLIS_ADMIN", hide_env_values = true)]
    pub(crate) admin: Option<String>,
    /// A file with the token that proves there who asks; $PORTCULLIS_TOKEN is the token itself
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_TOKEN_FILE", hide_env_values = true)]
    pub(crate) token_file: Option<PathBuf>,
    /// A file of authorities, in PEM, that vouch for that gateway; the system's unless given
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_ADMIN_CA", hide_env_values = true)]
    pub(crate) admin_ca: Option<PathBuf>,
}

/// A question to a running gateway.
#[derive(Debug, ClapArgs)]
pub(crate) struct Ask {
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Certs {
    /// List those alone that end within this time, such as 30d, and say no if there are any
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) within: Option<Duration>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Come back when the gateway has ended, or say no after this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Candidate {
    /// A configuration to stand in for the gateway's own file; `-` reads standard input
    #[arg(value_name = "FILE")]
    pub(crate) candidate: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) socket: Socket,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) candidate: Candidate,
    /// An API definition; FILE is then the one before it, and no gateway is asked. Says no (exit code 1) when a caller of the old one fails
    #[arg(value_name = "NEW", requires = "candidate", conflicts_with_all = ["socket", "admin"])]
    pub(crate) new: Option<PathBuf>,
    /// Lay an OpenAPI Overlay on both definitions before they are read; may be given several times
    #[arg(long = "overlay", value_name = "FILE", requires = "new")]
    pub(crate) overlays: Vec<PathBuf>,
    /// Say no, too, when it is not proven that none does
    #[arg(long, requires = "new")]
    pub(crate) strict: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) candidate: Candidate,
    /// Go back by itself after this time, unless `confirm` comes
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) confirm: Option<Duration>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Rollback {
    /// The hash of a kept configuration, or how it begins; unless given, what ran before
    #[arg(value_name = "HASH")]
    pub(crate) hash: Option<String>,
    /// List what is kept, and change nothing
    #[arg(long, conflicts_with = "hash")]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// A time as the configuration spells it.
fn time(text: &str) -> Result<Duration, String> {
    serde_json::from_value::<values::Duration>(text.into())
        .map(|time| time.get())
        .map_err(|error| error.to_string())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Healthcheck {
    /// Where the gateway serves its probes
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901")]
    pub(crate) probes: SocketAddr,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}
