use portcullis_http1::Fields;

use super::{for_backend, for_client};

fn passed(pass: fn(Fields) -> Fields, names: &[&str]) -> Vec<String> {
    let mut trailers = Fields::new();
    for name in names {
        trailers.push(name, "1");
    }
    pass(trailers).iter().map(|field| String::from_utf8_lossy(field.name).into_owned()).collect()
}

#[test]
fn trailers_cannot_frame_steer_or_authenticate() {
    let names = [
        "Content-Length",
        "transfer_encoding",
        "Authorization",
        "X-API-Key",
        "Set-Cookie",
        "Access-Control-Allow-Origin",
        "X-Sum",
        "grpc-status",
        "Content-Digest",
    ];
    let good = ["X-Sum", "grpc-status", "Content-Digest"];
    assert_eq!(passed(for_client, &names), good);
    assert_eq!(passed(for_backend, &names), good);
}

#[test]
fn only_the_gateway_says_who_called() {
    assert_eq!(passed(for_backend, &["X-Forwarded-For", "x_real_ip", "X-Sum"]), ["X-Sum"]);
}
