use super::{TEXT_BYTES_MAX, authority, cut, known, named};

#[test]
fn a_target_is_host_and_port() {
    for (target, expected) in [
        ("http://10.0.0.5:8080", ("10.0.0.5", Some(8080))),
        ("http://10.0.0.5/front", ("10.0.0.5", Some(80))),
        ("https://a.example", ("a.example", Some(443))),
        ("https://[::1]:8443/a:b", ("[::1]", Some(8443))),
        ("https://[::1]", ("[::1]", Some(443))),
    ] {
        assert_eq!(authority(target), expected, "{target}");
    }
}

#[test]
fn a_made_up_method_makes_no_name() {
    assert_eq!((known(Some("GET")), named(Some("GET"))), (Some("GET"), "GET"));
    assert_eq!((known(Some("get")), named(Some("get"))), (Some("_OTHER"), "HTTP"));
    assert_eq!((known(None), named(None)), (None, "HTTP"));
}

#[test]
fn a_text_is_cut_between_characters() {
    assert_eq!(cut("short"), "short");
    let text = format!("{}é", "a".repeat(TEXT_BYTES_MAX - 1));
    assert_eq!(cut(&text).len(), TEXT_BYTES_MAX - 1);
}
