//! Reliability class 5 and 22: trailers never say what the head did not.

use portcullis_http1::Fields;

use super::canonicalise_trailers;

#[test]
fn trailers_say_nothing_that_a_head_is_judged_by() {
    let mut fields = Fields::new();
    for name in [
        "Host",
        "Authorization",
        "Content-Length",
        "Transfer-Encoding",
        "Content-Type",
        "Content-Encoding",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "TE",
        "Trailer",
        "Expect",
        "X-Forwarded-For",
        "X-Portcullis-Subject",
        "X-API-Key",
        "content_length",
        "X_Forwarded_For",
        "x.portcullis.subject",
        "grpc_status",
        "Location",
        "Cache-Control",
        "Range",
        "Proxy-Authorization",
        "Via",
    ] {
        fields.push(name, "x");
    }
    canonicalise_trailers(&mut fields);
    assert!(fields.is_empty(), "{fields:?}");
}

#[test]
fn trailers_made_for_it_and_an_apis_own_go_on_in_order() {
    let names = [
        "grpc-status",
        "Grpc-Message",
        "X-Checksum",
        "Content-Digest",
        "repr-digest",
        "Digest",
        "Signature",
        "Signature-Input",
        "ETag",
        "Server-Timing",
        "x_own",
        "X-Checksum",
    ];
    let mut fields = Fields::new();
    for name in names {
        fields.push(name, "0");
    }
    canonicalise_trailers(&mut fields);
    assert!(fields.iter().map(|field| field.name).eq(names.map(str::as_bytes)));
}
