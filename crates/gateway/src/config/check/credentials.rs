//! What backends are told of who is calling: one statement of each field, and none that is not the operator's to make.

use std::collections::HashMap;
use std::time::Duration;

use portcullis_openapi::source::Pointer;

use super::listeners::pem;
use super::names::is_field_name;
use super::{Judge, callers, only_one};
use crate::config::Certificate;
use crate::config::credentials::{
    BackendCredentials, CallerFact, FieldValue, MintJwt, SecretIn, TokenEndpoint, TokenExchange,
};
use crate::config::values::{Duration as Time, Url};

/// Most fields that one backend is told.
const FIELDS_MAX: usize = 32;

/// Bytes of a written value.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// Steps of a claim's path.
const CLAIM_DEPTH_MAX: usize = 8;

/// Fields that frame or route the message, or that the gateway writes itself; a hyphen at the end makes a beginning.
const NOT_TO_WRITE: &[&str] = &[
    "host",
    "content-",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-",
    "http2-settings",
    "via",
    "forwarded",
    "x-forwarded-",
    "x-request-id",
    "traceparent",
    "tracestate",
    "cookie",
    "sec-websocket-",
];

/// Claims of a minted token that say what they must.
const OWN_CLAIMS: &[&str] =
    &["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "scp", "act", "may_act", "cnf"];

/// Judges `credentials` of one backend.
pub(super) fn judge(judge: &mut Judge<'_>, path: &Pointer, credentials: &BackendCredentials) {
    let BackendCredentials { pass_through, basic, api_key, fields, .. } = credentials;
    if !is_one_way(judge, path, credentials) {
        return;
    }
    let mut said = HashMap::new();
    if *pass_through {
        said.insert("authorization".to_owned(), path.key("pass_through"));
    }
    if let Some(basic) = basic {
        let path = path.key("basic");
        if basic.user.contains(':') {
            judge.value(&path.key("user"), "has a colon, which ends a user's name (RFC 7617)", "");
        }
        for (key, text) in [("user", basic.user.as_str()), ("password", basic.password.expose())] {
            let has_control = text.chars().any(char::is_control);
            if has_control || text.len() > VALUE_BYTES_MAX {
                judge.value(&path.key(key), "has a control character, or is too long", "");
            }
        }
        said.insert("authorization".to_owned(), path);
    }
    if let Some(key) = api_key {
        let path = path.key("api_key");
        name(judge, &path.key("header"), &path, &key.header, &mut said);
        value(judge, &path.key("key"), key.key.expose());
        if let Some(prefix) = &key.prefix
            && !is_field_name(prefix)
        {
            judge.value(&path.key("prefix"), "is no single word", "write it without the space: `Bearer`");
        }
    }
    tokens(judge, path, credentials, &mut said);
    if fields.len() > FIELDS_MAX {
        let what = format!("{} fields are too many", fields.len());
        judge.value(&path.key("fields"), what, format!("at most {FIELDS_MAX}"));
    }
    for (field, made_of) in fields {
        let path = path.key("fields").key(field);
        name(judge, &path, &path, field, &mut said);
        match made_of {
            FieldValue::Text(text) => value(judge, &path, text.expose()),
            FieldValue::Of(CallerFact::Claim(claim), _) => self::claim(judge, &path.key("claim"), claim),
            FieldValue::Of(..) => {}
        }
    }
}

/// The ways by which a backend gets a token.
fn tokens(
    judge: &mut Judge<'_>,
    path: &Pointer,
    credentials: &BackendCredentials,
    said: &mut HashMap<String, Pointer>,
) {
    if let Some(account) = &credentials.client_credentials {
        let path = path.key("client_credentials");
        endpoint(judge, &path, &account.endpoint());
        callers::scopes(judge, &path.key("scopes"), &account.scopes);
        times(judge, &path, &[("timeout", account.timeout), ("wait", account.wait)]);
        said.insert("authorization".to_owned(), path);
    }
    if let Some(exchange) = &credentials.token_exchange {
        let path = path.key("token_exchange");
        self::exchange(judge, &path, exchange);
        said.insert("authorization".to_owned(), path);
    }
    if let Some(mint) = &credentials.mint_jwt {
        let path = path.key("mint_jwt");
        name(judge, &path.key("header"), &path, &mint.header, said);
        self::mint(judge, &path, mint);
    }
    if let Some(phantom) = &credentials.phantom_token {
        let path = path.key("phantom_token");
        name(judge, &path.key("header"), &path, &phantom.header, said);
        if let Some(mint) = &phantom.mint {
            let path = path.key("mint");
            if mint.header != "authorization" {
                judge.key(&path.key("header"), "is not this one's to say", "write `header` beside `mint`");
            }
            self::mint(judge, &path, mint);
        }
    }
}

/// Judges that one way is written, at most.
fn is_one_way(judge: &mut Judge<'_>, path: &Pointer, credentials: &BackendCredentials) -> bool {
    let BackendCredentials {
        pass_through,
        basic,
        api_key,
        mint_jwt,
        client_credentials,
        token_exchange,
        phantom_token,
        fields,
    } = credentials;
    let ways = [
        ("pass_through", *pass_through),
        ("basic", basic.is_some()),
        ("api_key", api_key.is_some()),
        ("mint_jwt", mint_jwt.is_some()),
        ("client_credentials", client_credentials.is_some()),
        ("token_exchange", token_exchange.is_some()),
        ("phantom_token", phantom_token.is_some()),
    ];
    let written = only_one(judge, path, &ways, "what is said besides stands under `fields`");
    if written == 0 && fields.is_empty() {
        let hint = "write one of `mint_jwt`, `client_credentials`, `token_exchange`, `phantom_token`, `basic`, `api_key`, `fields`, or take it out";
        judge.key(path, "says nothing", hint);
    }
    written <= 1
}

/// A token endpoint, and how the gateway proves itself there: in one way.
fn endpoint(judge: &mut Judge<'_>, path: &Pointer, endpoint: &TokenEndpoint<'_>) {
    if !endpoint.url.https && !endpoint.cleartext {
        let hint = "anybody on the way could read the secret: write `https`, or `cleartext: true`";
        judge.value(&path.key("url"), "is not `https`", hint);
    }
    if endpoint.url.https && endpoint.cleartext {
        judge.value(
            &path.key("cleartext"),
            "lets through what is not there: `url` is `https`",
            "take it out",
        );
    }
    let ways = [
        ("client_secret", endpoint.client_secret.is_some()),
        ("private_key", endpoint.private_key.is_some()),
        ("client_certificate", endpoint.client_certificate.is_some()),
    ];
    if only_one(judge, path, &ways, "") == 0 {
        let hint = "write `client_secret: \"${env:NAME}\"`, `private_key` or `client_certificate`";
        judge.key(path, "does not say how the client proves itself", hint);
    }
    if let Some(key) = endpoint.private_key {
        pem(judge, &path.key("private_key").key("key"), key.key.expose());
    }
    if let Some(certificate) = endpoint.client_certificate {
        client_certificate(judge, &path.key("client_certificate"), certificate, endpoint.url);
    }
    if endpoint.client_secret.is_none() && endpoint.secret_in != SecretIn::Basic {
        judge.value(&path.key("secret_in"), "says where a secret stands, and there is none", "take it out");
    }
    if endpoint.client_id.is_empty() || endpoint.client_id.len() > VALUE_BYTES_MAX {
        judge.value(&path.key("client_id"), "is empty, or too long", "");
    }
    if let Some(ca) = endpoint.ca {
        pem(judge, &path.key("ca"), ca);
    }
}

/// A certificate that is presented to the server at `url`.
pub(super) fn client_certificate(
    judge: &mut Judge<'_>,
    path: &Pointer,
    certificate: &Certificate,
    url: &Url,
) {
    if !url.https {
        judge.key(path, "is presented to nobody: `url` is not `https`", "write `https`");
    }
    pem(judge, &path.key("cert"), &certificate.cert);
    pem(judge, &path.key("key"), certificate.key.expose());
}

fn times(judge: &mut Judge<'_>, path: &Pointer, times: &[(&str, Time)]) {
    for (key, time) in times {
        if time.get().is_zero() || time.get() > Duration::from_secs(60) {
            judge.value(&path.key(key), format!("{time} is out of range"), "from 1ms to 60s");
        }
    }
}

/// What an authorization server gives for the caller's token.
fn exchange(judge: &mut Judge<'_>, path: &Pointer, exchange: &TokenExchange) {
    endpoint(judge, path, &exchange.endpoint());
    callers::scopes(judge, &path.key("scopes"), &exchange.scopes);
    times(judge, path, &[("timeout", exchange.timeout)]);
    let TokenExchange { audience, resource, token_audience, actor, .. } = exchange;
    if audience.is_none() && resource.is_none() && exchange.scopes.is_empty() {
        let hint = "write `audience: NAME`, `resource: URI` or `scopes`";
        judge.key(path, "does not say what the token is to be for", hint);
    }
    for (key, text) in [("audience", audience), ("token_audience", token_audience)] {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > VALUE_BYTES_MAX) {
            judge.value(&path.key(key), "is empty, or too long", "");
        }
    }
    if let Some(resource) = resource {
        let scheme = resource.split_once(':').map(|(scheme, rest)| (scheme, rest.is_empty()));
        let is_absolute = scheme.is_some_and(|(scheme, is_empty)| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            !is_empty && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(is_plain)
        });
        if !is_absolute || resource.contains(['#', ' ']) || !resource.is_ascii() {
            let hint = "an absolute URI without a fragment (RFC 8707), such as `https://orders.internal/`";
            judge.value(&path.key("resource"), format!("{resource:?} names no resource"), hint);
        }
    }
    if let Some(actor) = actor {
        let path = path.key("actor");
        callers::scopes(judge, &path.key("scopes"), &actor.scopes);
        if actor.audience.as_ref().is_some_and(|text| text.is_empty() || text.len() > VALUE_BYTES_MAX) {
            judge.value(&path.key("audience"), "is empty, or too long", "");
        }
    }
}

/// A token of our own.
fn mint(judge: &mut Judge<'_>, path: &Pointer, mint: &MintJwt) {
    for (key, text) in [("audience", Some(&mint.audience)), ("actor", mint.actor.as_ref())] {
        if text.is_some_and(|text| text.is_empty() || text.len() > VALUE_BYTES_MAX) {
            judge.value(&path.key(key), "is empty, or too long", "");
        }
    }
    let (least, most) = (Duration::from_secs(5), Duration::from_secs(3_600));
    if !(least..=most).contains(&mint.lifetime.get()) {
        judge.value(&path.key("lifetime"), format!("{} is out of range", mint.lifetime), "from 5s to 1h");
    }
    if mint.claims.len() > FIELDS_MAX {
        let what = format!("{} claims are too many", mint.claims.len());
        judge.value(&path.key("claims"), what, format!("at most {FIELDS_MAX}"));
    }
    for (name, made_of) in &mint.claims {
        let path = path.key("claims").key(name);
        if OWN_CLAIMS.contains(&name.as_str()) || name.is_empty() {
            judge.key(&path, format!("`{name}` is the gateway's own to say"), "give it another name");
        }
        if let FieldValue::Of(CallerFact::Claim(claim), _) = made_of {
            self::claim(judge, &path.key("claim"), claim);
        }
    }
}

/// A field's name, stated once in all spellings that a backend may read as the same; `by` is who states it.
fn name(
    judge: &mut Judge<'_>,
    path: &Pointer,
    by: &Pointer,
    name: &str,
    said: &mut HashMap<String, Pointer>,
) {
    if !is_field_name(name) {
        judge.key(path, format!("{name:?} is no field name"), "");
        return;
    }
    let folded = name.to_ascii_lowercase().replace(['_', '.'], "-");
    if is_for_nobody_to_write(&folded) {
        let hint = "it frames or routes the message, or is the gateway's own";
        judge.key(path, format!("`{name}` is not for `credentials` to write"), hint);
    }
    if let Some(before) = said.insert(folded, by.clone()) {
        let place = judge.elsewhere(&before);
        judge.key(path, format!("a backend may read it as the field that is written at {place}"), "");
    }
}

/// Whether a field of this name, in lower case with hyphens, is written by the gateway alone.
pub(super) fn is_for_nobody_to_write(folded: &str) -> bool {
    let is_it = |own: &&str| if own.ends_with('-') { folded.starts_with(*own) } else { folded == *own };
    NOT_TO_WRITE.iter().any(is_it)
}

/// A value that a field can have.
pub(super) fn value(judge: &mut Judge<'_>, path: &Pointer, text: &str) {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| *byte == b' ');
    let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let (first, last) = (text.as_bytes().first(), text.as_bytes().last());
    if text.is_empty() || !is_plain || is_edge(first) || is_edge(last) {
        let hint = "visible ASCII characters, and spaces between them";
        judge.value(path, "cannot be the value of a field", hint);
    } else if text.len() > VALUE_BYTES_MAX {
        judge.value(path, "is too long for a field", format!("at most {VALUE_BYTES_MAX} bytes"));
    }
}

/// The path of a claim: its name, or a JSON pointer (RFC 6901).
pub(super) fn claim(judge: &mut Judge<'_>, path: &Pointer, claim: &str) {
    let is_pointer = claim.starts_with('/');
    let steps = claim.split('/').skip(usize::from(is_pointer));
    if claim.is_empty()
        || (is_pointer && (steps.clone().any(str::is_empty) || steps.count() > CLAIM_DEPTH_MAX))
    {
        let hint = format!("write its name, such as `email`, or `/org/id`, at most {CLAIM_DEPTH_MAX} steps");
        judge.value(path, format!("{claim:?} names no claim"), hint);
    }
}
