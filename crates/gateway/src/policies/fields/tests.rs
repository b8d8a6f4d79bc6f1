//! What passes and what does not.

use super::*;

fn check(names: &[&str], passing: &[&str], dropped: &[&str]) {
    let fields = Fields::new(names.iter().map(ToString::to_string).collect(), "here".into());
    for name in passing {
        assert!(fields.passes(name.as_bytes()), "{name} passes with {names:?}");
    }
    for name in dropped {
        assert!(!fields.passes(name.as_bytes()), "{name} does not pass with {names:?}");
    }
}

#[test]
fn standard_fields_pass_and_unknown_ones_do_not() {
    check(
        &[],
        &[
            "Accept",
            "ACCEPT-language",
            "authorization",
            "Content-Type",
            "content-digest",
            "sec-websocket-key",
            "via",
        ],
        &[
            "X-Debug",
            "x-tenant",
            "Cookie",
            "accept-",
            "accept-languages",
            "accept_language",
            "content",
            "sec",
            "",
        ],
    );
}

#[test]
fn declared_names_pass_without_case() {
    check(
        &["X-Tenant", "cookie", "api_key"],
        &["x-tenant", "X-TENANT", "Cookie", "API_KEY"],
        &["x_tenant", "x-tenants", "api-key"],
    );
}

#[test]
fn the_list_is_sorted_for_the_search() {
    assert!(STANDARD.is_sorted_by(|(one, _), (other, _)| one < other));
}
