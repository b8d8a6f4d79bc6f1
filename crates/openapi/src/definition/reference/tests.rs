use super::{Fault, Reference};

fn parse(text: &str) -> Result<(String, String), Fault> {
    Reference::parse(text, "sub/api.yaml", Some("https://example.com/api"))
        .map(|reference| (reference.document.into_owned(), reference.pointer.into_owned()))
}

#[test]
fn references_are_relative_to_their_document() {
    for (text, document, pointer) in [
        ("#/a/b", "sub/api.yaml", "/a/b"),
        ("#", "sub/api.yaml", ""),
        ("", "sub/api.yaml", ""),
        ("x.yaml", "sub/x.yaml", ""),
        ("./x.yaml#/a", "sub/x.yaml", "/a"),
        ("../x.yaml#/paths/~1a~1%7Bid%7D", "x.yaml", "/paths/~1a~1{id}"),
        ("y/../z/x.yaml", "sub/z/x.yaml", ""),
        ("two%20words.yaml", "sub/two words.yaml", ""),
        ("a..b/...yaml", "sub/a..b/...yaml", ""),
        ("https://example.com/api#/a", "sub/api.yaml", "/a"),
    ] {
        assert_eq!(parse(text), Ok((document.to_owned(), pointer.to_owned())), "{text}");
    }
}

#[test]
fn references_out_of_the_folder_or_to_other_hosts_are_refused() {
    for (text, fault) in [
        ("http://169.254.169.254/latest", Fault::Absolute),
        ("HTTPS://example.com/x.yaml", Fault::Absolute),
        ("file:///etc/passwd", Fault::Absolute),
        ("urn:x", Fault::Absolute),
        ("C:\\x.yaml", Fault::Absolute),
        ("//example.com/x.yaml", Fault::Absolute),
        ("/etc/passwd", Fault::Absolute),
        ("../../etc/passwd", Fault::Outside),
        ("x/../../../y.yaml", Fault::Outside),
        ("%2e%2e/%2e%2e/y.yaml", Fault::Outside),
        ("..%2f..%2fy.yaml", Fault::Malformed),
        ("..\\..\\y.yaml", Fault::Malformed),
        ("x%5Cy.yaml", Fault::Malformed),
        ("x.yaml?raw=1", Fault::Malformed),
        ("x%00.yaml", Fault::Malformed),
        ("x%zz.yaml", Fault::Malformed),
        ("x%ff.yaml", Fault::Malformed),
        ("x//y.yaml", Fault::Malformed),
        ("x/", Fault::Malformed),
        (".", Fault::Malformed),
        ("..", Fault::Malformed),
        ("x/..", Fault::Malformed),
        ("#anchor", Fault::Fragment),
        ("#a/b", Fault::Fragment),
        ("x.yaml#%zz", Fault::Fragment),
    ] {
        assert_eq!(parse(text), Err(fault), "{text}");
    }
}
