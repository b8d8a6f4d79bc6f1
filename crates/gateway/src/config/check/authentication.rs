//! `auth` and `require`: that somebody was named, and that the expression can be met.

use portcullis_openapi::source::Pointer;

use super::Judge;
use super::names::is_field_name;
use crate::config::{Apart, Auth, Issuer, Namer, Require, SignatureAuth};

/// Fields that frame or route a message, or carry something else.
const NOT_FOR_KEYS: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "cookie",
    "te",
    "trailer",
    "upgrade",
    "content-type",
    "expect",
];

/// What to paste where nothing is said about who may call.
pub(super) const PASTE: &str = "paste `auth: { any_of: [{ api_key: {} }] }` to ask for a consumer's key, or `auth: none` to let anybody in";

/// Judges one `auth`.
pub(super) fn judge(judge: &mut Judge<'_>, path: &Pointer, auth: &Auth) {
    expression(judge, path, auth, true);
    let all = auth.each();
    one_issuer_twice(judge, path, &all);
    let asked = all.iter().filter(|one| matches!(one, Auth::Token(_))).count();
    if asked > 1 {
        let hint = "which of them a token is from cannot be told without asking one about the other's";
        judge.value(path, "names several issuers to be asked about tokens", hint);
    }
}

/// A token names its issuer: of two that have one name the first would judge every token, and the other none.
fn one_issuer_twice(judge: &mut Judge<'_>, path: &Pointer, all: &[&Auth]) {
    let config = judge.config;
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for auth in all {
        let Auth::Jwt(name) = auth else { continue };
        let Some(issuer) = config.issuers.get(name.as_str()).and_then(Issuer::name) else { continue };
        if let Some((other, _)) = seen.iter().find(|(other, own)| *own == issuer && *other != name.as_str()) {
            let what = format!(
                "`jwt: {other}` and `jwt: {name}` are one issuer, {issuer:?}: the first would judge the tokens of both"
            );
            let hint = format!(
                "let `issuers.{other}` take what both do, such as `audiences: [A, B]`, or ask for one of them"
            );
            judge.value(path, what, hint);
            return;
        }
        seen.push((name, issuer));
    }
}

/// That one caller can prove all of these.
fn together(judge: &mut Judge<'_>, path: &Pointer, several: &[Auth]) {
    if let Some((what, hint)) = never_together(several) {
        judge.value(path, what, hint);
    }
}

/// What keeps one caller from proving all of these, and what to write instead. Each part stands beside every other,
/// whatever it is an alternative to.
pub(crate) fn never_together(several: &[Auth]) -> Option<(String, String)> {
    let pairs = several.iter().enumerate().flat_map(|(index, one)| {
        let others = several.iter().skip(index.saturating_add(1));
        others.flat_map(move |other| {
            let parts = other.each();
            one.each().into_iter().flat_map(move |one| parts.clone().into_iter().map(move |part| (one, part)))
        })
    });
    let mut apart = pairs.filter_map(|(one, other)| Some((one, other, one.apart(other)?)));
    let (one, other, why) = apart.next()?;
    let hint = instead(one, other, why);
    let why = match why {
        Apart::OnePlace => "both stand in `Authorization`, of which a request has one",
        Apart::IssuerAndConsumers => "an issuer's callers are named `ISSUER/NAME`, as none of `consumers` is",
        Apart::TwoIssuers => "each issuer names callers of its own",
    };
    let what = format!("asks for {} and {}, which nobody can prove together: {why}", word(one), word(other));
    Some((what, hint))
}

/// What to write in place of two ways that never prove one caller.
fn instead(one: &Auth, other: &Auth, why: Apart) -> String {
    let (issuers, ours) = if one.namer() == Some(Namer::Consumers) { (other, one) } else { (one, other) };
    match (why, ours, issuers) {
        (Apart::IssuerAndConsumers, Auth::Certificate(_), _) => format!(
            "let the listener or host require client certificates (`client_certificates: {{ mode: require, ca: … }}`) and ask for {} alone, or take tokens that the issuer binds to certificates (RFC 8705)",
            word(issuers)
        ),
        (Apart::IssuerAndConsumers, Auth::Signature(_), Auth::Jwt(issuer) | Auth::Token(issuer)) => {
            format!("take tokens that are bound to a key of their bearer: `issuers.{issuer}.dpop: required`")
        }
        _ => "take `any_of`".to_owned(),
    }
}

/// A way to prove a caller, as it is written.
fn word(auth: &Auth) -> String {
    match auth {
        Auth::None => "`none`".to_owned(),
        Auth::Definition => "`definition`".to_owned(),
        Auth::ApiKey(_) => "`api_key`".to_owned(),
        Auth::Basic(_) => "`basic`".to_owned(),
        Auth::Certificate(_) => "`certificate`".to_owned(),
        Auth::Signature(_) => "`signature`".to_owned(),
        Auth::Jwt(issuer) => format!("`jwt: {issuer}`"),
        Auth::Token(issuer) => format!("`token: {issuer}`"),
        Auth::Login(issuer) => format!("`login: {issuer}`"),
        Auth::AnyOf(_) => "`any_of`".to_owned(),
        Auth::AllOf(_) => "`all_of`".to_owned(),
    }
}

fn expression(judge: &mut Judge<'_>, path: &Pointer, auth: &Auth, alone: bool) {
    match auth {
        Auth::None | Auth::Definition => {
            if !alone {
                let word = if *auth == Auth::None { "none" } else { "definition" };
                let hint = "an alternative that is always met would make the others meaningless";
                judge.value(path, format!("`{word}` stands alone, not among others"), hint);
            }
        }
        Auth::AnyOf(several) => each(judge, &path.key("any_of"), several),
        Auth::AllOf(several) => {
            each(judge, &path.key("all_of"), several);
            together(judge, path, several);
        }
        Auth::ApiKey(key) => {
            let path = path.key("api_key");
            if let Some(header) = &key.header {
                let path = path.key("header");
                if !is_field_name(header) {
                    judge.value(&path, format!("{header:?} is no field name"), "");
                } else if NOT_FOR_KEYS.iter().any(|name| name.eq_ignore_ascii_case(header)) {
                    judge.value(&path, format!("`{header}` carries something else"), "write `x-api-key`");
                }
            }
            if key.query.as_ref().is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
                judge.value(&path.key("query"), "is no name of a parameter", "write it without escapes");
            }
            // A cookie's name is a token, as a field's is (RFC 6265 §4.1.1).
            if let Some(cookie) = key.cookie.as_ref().filter(|cookie| !is_field_name(cookie)) {
                judge.value(&path.key("cookie"), format!("{cookie:?} is no name of a cookie"), "");
            }
        }
        Auth::Basic(_) | Auth::Certificate(_) => {}
        Auth::Signature(signature) => self::signature(judge, &path.key("signature"), signature),
        Auth::Jwt(issuer) => bearer(judge, &path.key("jwt"), issuer, false),
        Auth::Token(issuer) => bearer(judge, &path.key("token"), issuer, true),
        Auth::Login(issuer) => login(judge, &path.key("login"), issuer),
    }
}

/// What a signature must be.
fn signature(judge: &mut Judge<'_>, path: &Pointer, signature: &SignatureAuth) {
    let is_name = |name: &str| is_field_name(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    for (index, name) in signature.covers.iter().enumerate().filter(|(_, name)| !is_name(name)) {
        let hint = "in lower case; the request's own parts are covered anyway";
        judge.value(&path.key("covers").index(index), format!("{name:?} is no name of a field"), hint);
    }
    if signature.max_age.is_some_and(|age| age.get() > AGE_MAX || age.get().as_secs() == 0) {
        judge.value(&path.key("max_age"), "is not between 1s and 5m", "");
    }
    let is_tag =
        |tag: &str| !tag.is_empty() && tag.len() <= 256 && tag.bytes().all(|byte| byte.is_ascii_graphic());
    if signature.tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
        judge.value(&path.key("tag"), "is no tag", "1 to 256 visible characters of ASCII");
    }
}

/// How old a signature may be let be.
const AGE_MAX: std::time::Duration = std::time::Duration::from_secs(300);

/// A name of an issuer, whose tokens are verified in this way.
fn bearer(judge: &mut Judge<'_>, path: &Pointer, issuer: &str, is_asked: bool) {
    let config = judge.config;
    judge.reference(path, "issuer", issuer, &config.issuers);
    match config.issuers.get(issuer) {
        Some(settings) if settings.is_asked() && !is_asked => {
            let hint = format!("write `token: {issuer}`");
            judge.value(path, format!("{issuer:?} is asked about its tokens"), hint);
        }
        Some(settings) if settings.audiences.is_empty() && settings.login.is_some() => {
            let hint =
                "add `audiences: [NAME]`: a token that is meant for another service must not open ours";
            judge.value(path, format!("{issuer:?} names no audience for its tokens"), hint);
        }
        Some(settings) if !settings.is_asked() && is_asked => {
            let hint = format!("write `jwt: {issuer}`");
            judge.value(path, format!("{issuer:?} has no `introspection` and no `split_token`"), hint);
        }
        _ => {}
    }
}

/// A name of an issuer at which users log in.
fn login(judge: &mut Judge<'_>, path: &Pointer, issuer: &str) {
    let config = judge.config;
    judge.reference(path, "issuer", issuer, &config.issuers);
    if config.issuers.get(issuer).is_some_and(|settings| settings.login.is_none()) {
        let hint = format!("add `login: {{ client_id: …, client_secret: … }}` below `issuers.{issuer}`");
        judge.value(path, format!("{issuer:?} has no `login`"), hint);
    }
}

/// Judges what is asked of known callers.
pub(super) fn required(judge: &mut Judge<'_>, path: &Pointer, require: &Require) {
    super::callers::scopes(judge, &path.key("scopes"), &require.scopes);
    for (key, texts) in [("audiences", &require.audiences), ("roles", &require.roles)] {
        for (index, _) in texts.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            judge.value(&path.key(key).index(index), "is empty", "");
        }
    }
    if require.roles_claim.is_some() && require.roles.is_empty() {
        judge.key(&path.key("roles_claim"), "holds roles, and none are asked for", "add `roles`");
    }
    for (name, rule) in &require.claims {
        let path = path.key("claims").key(name);
        if name.is_empty() {
            judge.key(&path, "is no name of a claim", "");
        }
        if rule.equals.is_some() == rule.contains.is_some() {
            judge.key(
                &path,
                "says not exactly one thing",
                "write `{ equals: VALUE }` or `{ contains: TEXT }`",
            );
        }
    }
}

fn each(judge: &mut Judge<'_>, path: &Pointer, several: &[Auth]) {
    if several.is_empty() {
        judge.value(path, "names nothing", "");
    }
    for (index, auth) in several.iter().enumerate() {
        let path = path.index(index);
        if several.iter().take(index).any(|before| before == auth) {
            judge.value(&path, "stands here twice", "");
        }
        expression(judge, &path, auth, false);
    }
}
