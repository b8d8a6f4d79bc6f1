//! Which request fields an operation of a definition declares.

use portcullis_openapi::definition::{Definition, Operation, ParameterPlace, SchemeKind, Security};

/// The names of its fields: header parameters, fields of the security schemes it names, and `Cookie` where one of
/// either stands in a cookie.
pub(super) fn fields(definition: &Definition, operation: &Operation) -> Vec<String> {
    let parameters =
        operation.parameters.iter().filter_map(|parameter| field(parameter.place, &parameter.name));
    let requirements = match &*operation.security {
        Security::AnyOf { requirements, .. } => requirements.as_slice(),
        Security::Silent | Security::None { .. } => &[],
    };
    let schemes = requirements.iter().flat_map(|requirement| &requirement.schemes);
    let schemes = schemes.filter_map(|(name, _)| match &definition.schemes.get(name)?.kind {
        SchemeKind::ApiKey { place, name } => field(*place, name),
        SchemeKind::Http { .. }
        | SchemeKind::OAuth2 { .. }
        | SchemeKind::OpenIdConnect { .. }
        | SchemeKind::MutualTls => None,
    });
    let mut fields: Vec<String> = parameters.chain(schemes).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn field(place: ParameterPlace, name: &str) -> Option<String> {
    match place {
        ParameterPlace::Header => Some(name.to_ascii_lowercase()),
        ParameterPlace::Cookie => Some("cookie".to_owned()),
        ParameterPlace::Path | ParameterPlace::Query | ParameterPlace::QueryString => None,
    }
}
