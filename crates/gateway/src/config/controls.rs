//! Settings of the controls that judge requests and responses.
//!
//! Every field is optional, because settings merge key by key; defaults are applied by the control itself.

use portcullis_openapi::value::Limits;
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Count, Duration, Quota, Rate, StringBytes};

/// Whether a control acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does not look.
    Off,
    /// It looks, counts and logs what it would have done.
    Observe,
    /// It refuses.
    Enforce,
}

/// What happens when a control's remote part cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request is refused with 503.
    #[default]
    Deny,
    /// The request passes, and that is counted and logged.
    Allow,
}

/// What happens to a response that a control objects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// Responses are not looked at.
    Off,
    /// It passes, and that is counted and logged.
    Log,
    /// What is objected to is taken out.
    Strip,
    /// It is replaced by 502.
    Block,
}

/// How often or how much a caller may call. Exactly one of `rate`, `quota` and `concurrency`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name, in answers, metrics and where another scope replaces it.
    pub name: String,
    /// What is counted for itself. Default: `consumer`.
    #[serde(default)]
    pub per: LimitPer,
    /// A rate such as `100/min`; unused calls do not add up beyond it.
    pub rate: Option<Rate>,
    /// A quota such as `1000000/month`, by calendar periods in UTC.
    pub quota: Option<Quota>,
    /// Most requests at the same time.
    pub concurrency: Option<u32>,
}

/// What a limit counts for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitPer {
    /// Each consumer; anonymous callers by address.
    #[default]
    Consumer,
    /// Each credential.
    Credential,
    /// Each client address.
    Address,
    /// All callers together.
    Api,
}

/// Whether requests and responses must follow the API's definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Whether requests are judged: parameters, media type and body. Default: `enforce` for every operation of a definition;
    /// operations declared with `match` have no contract.
    pub mode: Option<Mode>,
    /// What happens to responses that break it. Default: `log` where requests are judged.
    pub response: Option<ResponseMode>,
    /// The classes (`x-data-class` of schemas) of which values in responses are masked; under `response: strip` or `block`.
    /// Default: none.
    pub mask: Option<Vec<String>>,
    /// What becomes of stack traces in responses; under `response: strip` or `block`. Default: `remove`.
    pub stack_traces: Option<StackTraces>,
    /// How much a refused caller is told. Default: `full`.
    pub errors: Option<ContractErrors>,
    /// What becomes of an operation of which some constraint on requests cannot be enforced. `portcullis coverage` names each
    /// with its reason. Default: `refuse`.
    pub on_uncovered: Option<OnUncovered>,
    /// When a body that is judged goes on. Default: `hold`.
    pub body: Option<JudgedBody>,
    /// Bounds of values for which the definition states none. Each key has a default; `portcullis coverage` prints those in force.
    pub bounds: Option<ContractBounds>,
}

/// How large values of requests and responses may be where the definition states no `maxLength`, `maxItems` or `maxProperties`, and what
/// it cannot state at all. A larger bound that the definition states holds where it is stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractBounds {
    /// Bytes of a text or of a name (`maxLength`); from 1 to 64MiB. Default: 8KiB in requests, 32KiB in responses.
    pub string: Option<StringBytes>,
    /// Items of a list (`maxItems`); from 1 to 1000000. Default: 10000.
    pub items: Option<Count<1_000_000>>,
    /// Members of an object (`maxProperties`); from 1 to 1000000. Default: 512.
    pub properties: Option<Count<1_000_000>>,
    /// How deep lists and objects nest; from 1 to 128. Default: 64.
    pub depth: Option<Count<128>>,
    /// Digits of a number, with those of its exponent; from 1 to 400. Default: 40.
    pub digits: Option<Count<400>>,
    /// Values of a body in all; from 1 to 10000000. Default: 250000.
    pub values: Option<Count<10_000_000>>,
}

impl ContractBounds {
    /// The bounds in force where these differ from `general`.
    #[must_use]
    pub fn over(&self, general: &Limits) -> Limits {
        let Self { string, items, properties, depth, digits, values } = *self;
        Limits {
            depth: depth.map_or(general.depth, Count::get),
            string: string.map_or(general.string, StringBytes::get),
            array: items.map_or(general.array, Count::get),
            members: properties.map_or(general.members, Count::get),
            number_digits: digits.map_or(general.number_digits, Count::get),
            values: values.map_or(general.values, Count::get),
        }
    }

    /// The keys by which these bounds allow more than `inherited` ones.
    pub fn loosened(&self, inherited: &Self) -> Vec<&'static str> {
        let mut loosened = Vec::new();
        // Responses may have more where nothing is said, and no less than requests where something is.
        for general in [Limits::REQUEST, Limits::RESPONSE] {
            let (own, below) = (self.over(&general), inherited.over(&general));
            for (key, own, below) in [
                ("contract.bounds.string", own.string, below.string),
                ("contract.bounds.items", own.array, below.array),
                ("contract.bounds.properties", own.members, below.members),
                ("contract.bounds.depth", own.depth, below.depth),
                ("contract.bounds.digits", own.number_digits, below.number_digits),
                ("contract.bounds.values", own.values, below.values),
            ] {
                if own > below && !loosened.contains(&key) {
                    loosened.push(key);
                }
            }
        }
        loosened
    }
}

/// When a body that is judged goes on to its backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JudgedBody {
    /// Once all of it was judged. A large one lies in a file in the state directory until then.
    #[default]
    Hold,
    /// As it comes; the backend's message does not end before all of it was judged, and breaks off when it breaks the contract.
    /// The backend must not act on a message before its end. Only with `mode: enforce`.
    Tee,
}

/// What becomes of stack traces in responses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StackTraces {
    /// A text with one in it is taken out, or is no response at all under `block`.
    #[default]
    Remove,
    /// They pass, for APIs whose business they are.
    Pass,
}

/// How much a caller is told whose request breaks the contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContractErrors {
    /// What is wrong: where, by JSON Pointer, and the keyword it breaks, ten at most. Never a value.
    #[default]
    Full,
    /// That something is wrong. The log has the rest.
    Terse,
}

/// What becomes of an operation whose contract cannot be enforced in full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnUncovered {
    /// Its requests are answered 501.
    #[default]
    Refuse,
    /// Its requests are judged as far as they can be, and the rest of them passes unjudged.
    Pass,
}

/// Attack rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waf {
    /// Whether requests are judged.
    pub mode: Option<Mode>,
    /// Paranoia level, 1 to 4: higher finds more and errs more.
    pub paranoia: Option<u8>,
    /// Folder of a rule set, such as OWASP CRS. Default: the built-in rules.
    pub rules: Option<String>,
}

/// Virus scan of bodies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Antivirus {
    /// Whether bodies are judged.
    pub mode: Option<Mode>,
    /// Name of the scanner.
    pub scanner: Option<String>,
    /// What happens when the scanner cannot be asked.
    pub on_error: Option<OnError>,
}

/// Which other origins' browser pages may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins such as `https://app.example.com`.
    pub origins: Option<Vec<String>>,
    /// Response fields a page may read beside the simple ones.
    pub expose: Option<Vec<String>>,
    /// Whether a page may send cookies and client certificates along.
    pub credentials: Option<bool>,
    /// How long a browser may keep the answer to a preflight.
    pub max_age: Option<Duration>,
}

/// A scanner of bodies. Exactly one of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// A ClamAV daemon: `unix:` and a path, or host and port.
    pub clamd: Option<String>,
    /// An ICAP service: its URL.
    pub icap: Option<String>,
}
