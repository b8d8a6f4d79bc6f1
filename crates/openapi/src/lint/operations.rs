//! Rules about operations, security schemes and servers.

use serde_json::json;

use super::rules::{
    BODY_SCHEMA, ERROR_VALIDATION, NO_API_KEYS_IN_URL, NO_CREDENTIALS_IN_URL, NO_HTTP_BASIC, NO_NUMERIC_IDS,
    NO_SERVER_HTTP, READ_RESTRICTED, RESPONSE_SCHEMA, RESPONSES_401, RESPONSES_429, RESPONSES_500,
    WRITE_RESTRICTED,
};
use super::{Action, Fault, Look, Rule, fix};
use crate::definition::{
    Definition, Dialect, MediaType, Operation, Parameter, ParameterPlace, ParameterValue, SchemeKind,
    Security, Status,
};
use crate::schema::Type;
use crate::source::{Pointer, Span};

pub(super) fn look(look: &mut Look<'_>) {
    let definition = look.definition;
    servers(look);
    schemes(look);
    for operation in &definition.operations {
        who_may_call(look, operation);
        responses(look, operation);
        bodies(look, operation);
        for parameter in &operation.parameters {
            self::parameter(look, operation, parameter);
        }
    }
}

fn servers(look: &mut Look<'_>) {
    for (index, server) in look.definition.servers.iter().enumerate() {
        // What stands behind no scheme is served as the document is.
        let pointer = Pointer::new().key("servers").index(index);
        let fault = server.url.strip_prefix("http://").map(|rest| Fault {
            span: server.span,
            message: format!("`{}` is cleartext", server.url),
            fix: vec![Action {
                target: fix::path(&pointer),
                update: json!({ "url": format!("https://{rest}") }),
            }],
            pointer,
        });
        look.judge(&NO_SERVER_HTTP, fault);
    }
}

fn schemes(look: &mut Look<'_>) {
    let definition = look.definition;
    let folder = match definition.dialect {
        Dialect::V2_0 => Pointer::new().key("securityDefinitions"),
        Dialect::V3_0 | Dialect::V3_1 | Dialect::V3_2 => {
            Pointer::new().key("components").key("securitySchemes")
        }
    };
    for (name, scheme) in &definition.schemes {
        let fault = |message: String| Fault {
            span: scheme.span,
            pointer: folder.key(name),
            message,
            fix: Vec::new(),
        };
        let is_basic = matches!(&scheme.kind, SchemeKind::Http { scheme, .. } if **scheme == *"basic");
        look.judge(&NO_HTTP_BASIC, is_basic.then(|| fault(format!("`{name}` asks for a password"))));
        if let SchemeKind::ApiKey { place, name: parameter } = &scheme.kind {
            let in_url = matches!(place, ParameterPlace::Query | ParameterPlace::Path);
            let message = || fault(format!("`{name}` takes its key from the query parameter `{parameter}`"));
            look.judge(&NO_API_KEYS_IN_URL, in_url.then(message));
        }
    }
}

fn who_may_call(look: &mut Look<'_>, operation: &Operation) {
    let reads = matches!(operation.method.as_str(), "GET" | "HEAD" | "OPTIONS");
    let rule = if reads { &READ_RESTRICTED } else { &WRITE_RESTRICTED };
    let message = match &*operation.security {
        Security::Silent => Some("says nothing of who may call"),
        Security::None { .. } => Some("lets anybody call, by `security: []`"),
        Security::AnyOf { requirements, .. } => requirements
            .iter()
            .any(|requirement| requirement.schemes.is_empty())
            .then_some("lets anybody call, by `{}` among its requirements"),
    };
    let mut fix = match &*operation.security {
        // What the document says counts for every operation that says nothing.
        Security::Silent => restriction(look.definition, &Pointer::new()),
        Security::None { .. } => restriction(look.definition, &operation.pointer),
        Security::AnyOf { .. } => Vec::new(),
    };
    if !fix.is_empty() && !declares(operation, &[401]) {
        fix.push(response(operation, 401, NOT_VALID));
    }
    let fault = message.map(|message| of_operation(operation, message.to_owned(), fix));
    look.judge(rule, fault);
}

/// What makes callers prove themselves: by the best scheme the document has, else by a key in a header.
fn restriction(definition: &Definition, at: &Pointer) -> Vec<Action> {
    let rank = |kind: &SchemeKind| match kind {
        SchemeKind::OpenIdConnect { .. } | SchemeKind::OAuth2 { .. } => Some(0),
        SchemeKind::Http { scheme, .. } if **scheme == *"basic" => None,
        SchemeKind::Http { .. } | SchemeKind::MutualTls => Some(1),
        SchemeKind::ApiKey { place: ParameterPlace::Header, .. } => Some(2),
        SchemeKind::ApiKey { .. } => None,
    };
    let known = definition.schemes.iter().filter_map(|(name, scheme)| Some((rank(&scheme.kind)?, name)));
    let mut actions = Vec::new();
    let name = match known.min() {
        Some((_, name)) => name.to_string(),
        None => {
            const NAME: &str = "callerKey";
            let scheme = json!({ NAME: { "type": "apiKey", "in": "header", "name": "X-API-Key" } });
            let update = match definition.dialect {
                Dialect::V2_0 => json!({ "securityDefinitions": scheme }),
                Dialect::V3_0 | Dialect::V3_1 | Dialect::V3_2 => {
                    json!({ "components": { "securitySchemes": scheme } })
                }
            };
            actions.push(Action { target: "$".to_owned(), update });
            NAME.to_owned()
        }
    };
    actions.push(Action { target: fix::path(at), update: json!({ "security": [{ name: [] }] }) });
    actions
}

/// What a caller is told who does not prove itself.
const NOT_VALID: &str = "The credential is missing or not valid.";

/// The responses that say what callers get when something is wrong.
fn responses(look: &mut Look<'_>, operation: &Operation) {
    let asks = matches!(&*operation.security, Security::AnyOf { .. });
    let rules: [(&'static Rule, bool, &[u16], &str); 4] = [
        (&RESPONSES_401, asks, &[401], NOT_VALID),
        (&RESPONSES_429, true, &[429], "Too many requests."),
        (&ERROR_VALIDATION, true, &[400, 422], "The request is not valid."),
        (&RESPONSES_500, true, &[500, 502, 503, 504], "The request could not be served."),
    ];
    for (rule, counts, statuses, description) in rules {
        let Some(status) = statuses.first().filter(|_| counts) else { continue };
        let fault = (!declares(operation, statuses)).then(|| {
            let message = format!("does not say what it answers with {status}");
            of_operation(operation, message, vec![response(operation, *status, description)])
        });
        look.judge(rule, fault);
    }
}

/// Whether an operation documents what it answers with one of these statuses.
fn declares(operation: &Operation, statuses: &[u16]) -> bool {
    operation.responses.iter().any(|response| match response.status {
        Status::Default => true,
        Status::Class(class) => statuses.iter().any(|status| status / 100 == u16::from(class)),
        Status::Code(code) => statuses.contains(&code),
    })
}

/// One more response of an operation.
fn response(operation: &Operation, status: u16, description: &str) -> Action {
    let update = json!({ "responses": { status.to_string(): { "description": description } } });
    Action { target: fix::path(&operation.pointer), update }
}

fn bodies(look: &mut Look<'_>, operation: &Operation) {
    let says_nothing = |media: &MediaType| {
        // Of a text or of bytes the media type says all there is.
        let is_opaque =
            ["text/", "image/", "audio/", "video/", "font/", "application/octet-stream", "application/pdf"]
                .iter()
                .any(|opaque| media.range.starts_with(opaque));
        media.schema.is_none() && media.item_schema.is_none() && !is_opaque
    };
    if let Some(body) = &operation.body {
        if body.content.is_empty() {
            look.judge(&BODY_SCHEMA, Some(at(body.span, operation, "says nothing of its body".to_owned())));
        }
        for media in body.content.iter() {
            let message = || at(media.span, operation, format!("says nothing of a body of {}", media.range));
            look.judge(&BODY_SCHEMA, says_nothing(media).then(message));
        }
    }
    let mut went_well = false;
    for response in &operation.responses {
        went_well |= match response.status {
            Status::Code(code) => (100..400).contains(&code),
            Status::Class(class) => (1..4).contains(&class),
            Status::Default => true,
        };
        for media in response.content.iter() {
            let message =
                || at(media.span, operation, format!("says nothing of an answer of {}", media.range));
            look.judge(&RESPONSE_SCHEMA, says_nothing(media).then(message));
        }
    }
    let message =
        || of_operation(operation, "does not say what it answers when it went well".to_owned(), Vec::new());
    look.judge(&RESPONSE_SCHEMA, (!went_well).then(message));
}

fn parameter(look: &mut Look<'_>, operation: &Operation, parameter: &Parameter) {
    /// What names of secrets have within them.
    const SECRETS: &[&str] = &[
        "accesstoken",
        "refreshtoken",
        "idtoken",
        "clientsecret",
        "password",
        "passwd",
        "apikey",
        "secret",
        "authtoken",
    ];
    let fault = |message: String| at(parameter.span, operation, message);
    let plain: String =
        parameter.name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if matches!(parameter.place, ParameterPlace::Path | ParameterPlace::Query) {
        let is_secret = plain == "token" || SECRETS.iter().any(|secret| plain.contains(secret));
        let message =
            || fault(format!("the parameter `{}` of the URL is a secret by its name", parameter.name));
        look.judge(&NO_CREDENTIALS_IN_URL, is_secret.then(message));
    }
    if parameter.place == ParameterPlace::Path && plain.ends_with("id") {
        let schemas = &look.definition.schemas;
        let is_number = match parameter.value {
            ParameterValue::Schema { schema, .. } => {
                let types = schemas.get(schemas.resolve(schema)).types;
                types.is_some_and(|types| types.has(Type::Integer))
            }
            ParameterValue::Content { .. } => false,
        };
        let message = || fault(format!("the identifier `{}` is a number", parameter.name));
        look.judge(&NO_NUMERIC_IDS, is_number.then(message));
    }
}

fn of_operation(operation: &Operation, message: String, fix: Vec<Action>) -> Fault {
    Fault { fix, ..at(operation.span, operation, message) }
}

/// Something of an operation.
fn at(span: Span, operation: &Operation, message: String) -> Fault {
    Fault { span, pointer: operation.pointer.clone(), message, fix: Vec::new() }
}
