//! The rules and what they are worth.

/// A rule. Rules of one area give its points together.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name: that of the OWASP rules for Spectral, or `portcullis:…` for one of our own.
    pub id: &'static str,
    /// What it is about.
    pub area: Area,
    /// The points it is worth.
    pub points: u16,
    /// What is wrong where it fails.
    pub title: &'static str,
    /// What to do.
    pub help: &'static str,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Who may call, and how.
    Security,
    /// What may be sent and answered.
    Data,
}

macro_rules! rules {
    ($($constant:ident = $area:ident $points:literal $id:literal, $title:literal, $help:literal;)+) => {
        $(#[doc = $title]
        pub(super) static $constant: Rule =
            Rule { id: $id, area: Area::$area, points: $points, title: $title, help: $help };)+

        /// Every rule, in the order of the page.
        pub static RULES: &[&Rule] = &[$(&$constant),+];
    };
}

rules! {
    WRITE_RESTRICTED = Security 7 "owasp:api2:2023-write-restricted", "An operation that changes something asks nobody who calls", "Give it `security`, or the document.";
    READ_RESTRICTED = Security 6 "owasp:api2:2023-read-restricted", "An operation that reads asks nobody who calls", "Give it `security`, or the document.";
    NO_SERVER_HTTP = Security 2 "owasp:api8:2023-no-server-http", "The API is served in cleartext", "Write the server's URL with `https`.";
    NO_HTTP_BASIC = Security 1 "owasp:api2:2023-no-http-basic", "Callers prove themselves by passwords", "Take tokens or keys instead of `scheme: basic`.";
    NO_API_KEYS_IN_URL = Security 1 "owasp:api2:2023-no-api-keys-in-url", "Keys stand in URLs, which clients and proxies log", "Let keys travel in a header: `in: header`.";
    NO_CREDENTIALS_IN_URL = Security 1 "owasp:api2:2023-no-credentials-in-url", "A secret stands in a URL, which clients and proxies log", "Let secrets travel in a header or in the body.";
    RESPONSES_401 = Security 3 "owasp:api8:2023-define-error-responses-401", "An operation that asks who calls does not say what it answers to others", "Declare the response 401.";
    RESPONSES_429 = Security 4 "owasp:api4:2023-rate-limit-responses-429", "An operation does not say what it answers to callers that call too often", "Declare the response 429.";
    ERROR_VALIDATION = Security 2 "owasp:api8:2023-define-error-validation", "An operation does not say what it answers to requests that are not valid", "Declare the response 400 or 422.";
    RESPONSES_500 = Security 2 "owasp:api8:2023-define-error-responses-500", "An operation does not say what it answers when it fails", "Declare the response 500.";
    NO_NUMERIC_IDS = Security 1 "owasp:api1:2023-no-numeric-ids", "An identifier in the path is a number, so others can be guessed", "Let identifiers be random, such as UUIDs.";
    STRING_LIMIT = Data 21 "owasp:api4:2023-string-limit", "A text in a request may be of any length", "Give it `maxLength`, `enum` or `const`.";
    CLOSED_OBJECTS = Data 20 "owasp:api3:2023-no-additionalProperties", "An object takes properties that nobody declared", "Write `additionalProperties: false`, or what they must be.";
    ARRAY_LIMIT = Data 7 "owasp:api4:2023-array-limit", "A list in a request may have any number of items", "Give it `maxItems`.";
    STRING_RESTRICTED = Data 9 "owasp:api4:2023-string-restricted", "A text in a request may consist of anything", "Give it `format`, `pattern`, `enum` or `const`.";
    INTEGER_LIMIT = Data 5 "owasp:api4:2023-integer-limit", "An integer in a request may be of any size", "Give it `minimum` and `maximum`.";
    INTEGER_FORMAT = Data 2 "owasp:api4:2023-integer-format", "An integer in a request does not say how large it may become", "Give it `format: int32` or `format: int64`.";
    TYPED = Data 2 "portcullis:untyped-schema", "A schema does not say what its value is", "Give it `type`.";
    BODY_SCHEMA = Data 2 "portcullis:body-schema", "A request may carry a body of which nothing is said", "Give each media type a `schema`.";
    RESPONSE_SCHEMA = Data 2 "portcullis:response-schema", "A response may carry a body of which nothing is said", "Give each media type of the response a `schema`, and each operation a response that says that it went well.";
}
