use super::{Fault, Head, Limits, Parser, Sink, Stopped, What};

/// What a parser told of.
#[derive(Default, Debug, PartialEq, Eq)]
struct Told {
    parts: Vec<(Head, Vec<u8>, bool)>,
}

impl Sink for Told {
    type Stop = &'static str;

    fn part(&mut self, head: Head) -> Result<(), Self::Stop> {
        if head.name() == "stop" {
            return Err("enough");
        }
        self.parts.push((head, Vec::new(), false));
        Ok(())
    }

    fn content(&mut self, piece: &[u8]) -> Result<(), Self::Stop> {
        assert!(!piece.is_empty());
        self.parts.last_mut().unwrap().1.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Self::Stop> {
        self.parts.last_mut().unwrap().2 = true;
        Ok(())
    }
}

fn read(boundary: &str, body: &[u8], piece: usize, limits: Limits) -> Result<Told, What> {
    let what = |stopped| match stopped {
        Stopped::Fault(Fault { what, .. }) => what,
        Stopped::Sink(stop) => panic!("{stop}"),
    };
    let mut told = Told::default();
    let mut parser = Parser::new(boundary, limits).map_err(|fault| fault.what)?;
    for piece in body.chunks(piece) {
        parser.push(piece, &mut told).map_err(what)?;
        assert!(
            parser.kept.len() <= limits.head_bytes.max(boundary.len().saturating_add(6)),
            "kept {}",
            parser.kept.len()
        );
    }
    parser.finish().map_err(|fault| fault.what)?;
    assert!(told.parts.iter().all(|(_, _, is_ended)| *is_ended));
    Ok(told)
}

/// Reads a body cut in every way that matters; `|` stands for CRLF.
fn check(body: &str, expected: Result<&[(&str, &str)], What>) {
    let body = body.replace('|', "\r\n");
    for piece in [body.len().max(1), 1, 2, 3, 7, 16] {
        let told = read("XX", body.as_bytes(), piece, Limits::default()).map(|told| {
            told.parts
                .into_iter()
                .map(|(head, content, _)| (head.name().to_owned(), String::from_utf8(content).unwrap()))
                .collect::<Vec<_>>()
        });
        let expected = expected
            .map(|parts| parts.iter().map(|(n, c)| ((*n).to_owned(), c.replace('|', "\r\n"))).collect());
        assert_eq!(told, expected, "{body:?} in pieces of {piece}");
    }
}

#[test]
fn parts_are_told_however_the_body_is_cut() {
    let one = r#"Content-Disposition: form-data; name="a"||"#;
    check(&format!("--XX|{one}1|--XX--|"), Ok(&[("a", "1")]));
    check(&format!("--XX|{one}1|--XX--"), Ok(&[("a", "1")]));
    check(&format!("--XX|{one}|--XX--|"), Ok(&[("a", "")]));
    check(&format!("--XX|{one}||--XX--|"), Ok(&[("a", "|")]));
    check(&format!("--XX|{one}x--XX y|-|--|--X|--XY|-XX|--XX--"), Ok(&[("a", "x--XX y|-|--|--X|--XY|-XX")]));
    check(&format!("--XX|{one}\r\r\n\n\r|--XX--"), Ok(&[("a", "\r\r\n\n\r")]));
    check(&format!("--XX|{one}-|--XX|{one}--XY--XX|--XX--"), Ok(&[("a", "-"), ("a", "--XY--XX")]));
    check("--XX--|", Ok(&[]));
    check("--XX--", Ok(&[]));
    check("--XX|content-disposition:form-data;name=a|Content-Type: text/plain||1|--XX--", Ok(&[("a", "1")]));
}

#[test]
fn what_only_some_readers_see_is_refused() {
    let one = r#"Content-Disposition: form-data; name="a"||"#;
    for (body, what) in [
        ("", What::Truncated),
        ("x", What::Start),
        ("preamble|--XX|{one}1|--XX--", What::Start),
        ("|--XX|{one}1|--XX--", What::Start),
        ("--XY|{one}1|--XY--", What::Start),
        ("--XX|{one}1", What::Truncated),
        ("--XX|{one}1|--XX", What::Truncated),
        ("--XX|{one}1|--XX-", What::Truncated),
        ("--XX|{one}1|--XX|", What::Truncated),
        ("--XX|{one}1|--XX--|x", What::Trailing),
        ("--XX|{one}1|--XX--x", What::Trailing),
        ("--XX|{one}1|--XX--||", What::Trailing),
        ("--XX|{one}1|--XX--\r", What::Trailing),
        ("--XX|{one}1|--XX--|--XX|{one}2|--XX--", What::Trailing),
        ("--XX |{one}1|--XX--", What::BoundaryLine),
        ("--XX\n{one}1|--XX--", What::BoundaryLine),
        ("--XX|{one}1|--XXY|{one}2|--XX--", What::BoundaryLine),
        ("--XX|{one}1|--XX \t|{one}2|--XX--", What::BoundaryLine),
        ("--XX|{one}1|--XX-|--XX--", What::BoundaryLine),
        ("--XX|{one}1\n--XX|{one}2|--XX--", What::Ambiguous),
        ("--XX|{one}1\r--XX--|--XX--", What::Ambiguous),
        ("--XX|{one}\n--XX--|--XX--", What::Ambiguous),
        ("--XX|{one}--XX--|--XX--", What::Ambiguous),
        ("--XX|{one}--XX|{one}|--XX--", What::Ambiguous),
        ("--XX||1|--XX--", What::Disposition),
        ("--XX|Content-Type: text/plain||1|--XX--", What::Disposition),
    ] {
        check(&body.replace("{one}", one), Err(what));
    }
}

#[test]
fn heads_are_read_in_one_way() {
    let long = "n".repeat(256);
    let many: String = (0..8).map(|n| format!("|X-{n}: 1")).collect();
    let huge = format!("form-data; name=a|X: {}", "x".repeat(5000));
    for (head, what) in [
        ("form-data; name=\"a\"; name=\"b\"", What::Disposition),
        ("form-data", What::Disposition),
        ("form-data; name=", What::Disposition),
        ("form-data; name=\"\"", What::Disposition),
        ("form-data; name=\"a", What::Disposition),
        ("form-data; name=\"a\"b", What::Disposition),
        ("form-data; name=\"a\\\"b\"", What::Disposition),
        ("form-data; name=\"a\" filename=b", What::Disposition),
        ("form-data; name=\"a\";", What::Disposition),
        ("form-data; name*=UTF-8''a", What::Disposition),
        ("form-data; name=a; filename=b; filename*=UTF-8''c", What::Disposition),
        ("form-data; name=a; filename*=UTF-8''c", What::Disposition),
        ("form-data; name=a; filename=b; FileName=c", What::Disposition),
        ("form-data; name=a; size=3", What::Disposition),
        ("form-data; name =a", What::Disposition),
        ("form-data; name= a", What::Disposition),
        ("attachment; name=a", What::Disposition),
        ("form-data, name=a", What::Disposition),
        ("form-data; name=_charset_", What::Disposition),
        (&format!("form-data; name={long}"), What::Disposition),
        ("form-data; name=a; filename=\"../b\"", What::FileName),
        ("form-data; name=a; filename=\"..\"", What::FileName),
        ("form-data; name=a; filename=\"/etc/passwd\"", What::FileName),
        ("form-data; name=a; filename=\"%2e%2E%2Fb\"", What::FileName),
        ("form-data; name=a; filename=\"b%00.png\"", What::FileName),
        (&format!("form-data; name=a; filename={long}"), What::FileName),
        ("form-data; name=a; filename=\"C:\\b\"", What::Disposition),
        ("form-data; name=a|Content-Disposition: form-data; name=b", What::Head),
        ("form-data; name=a|Content-Type: text/plain|content-type: text/html", What::Head),
        ("form-data;| name=a", What::Head),
        ("form-data; name=a|X-A: 1| 2", What::Head),
        ("form-data; name=a|X-A : 1", What::Head),
        ("form-data; name=a|X-A: 1|x-a: 2", What::Head),
        ("form-data; name=a|no field", What::Head),
        ("form-data; name=a|--XX: 1", What::Head),
        ("form-data; name=\"a\u{0}\"", What::Head),
        ("form-data; name=\"a\nb\"", What::Head),
        ("form-data; name=\"a\rb\"", What::Head),
        ("form-data; name=a|Content-Length: +1", What::Head),
        ("form-data; name=a|Content-Length: 2", What::Length),
        ("form-data; name=a|Content-Transfer-Encoding: base64", What::TransferEncoding),
        ("form-data; name=a|Content-Transfer-Encoding: quoted-printable", What::TransferEncoding),
        (&format!("form-data; name=a{many}"), What::HeadSize),
        (&huge, What::HeadSize),
    ] {
        check(&format!("--XX|Content-Disposition: {head}||1|--XX--"), Err(what));
    }
    let body = "--XX|Content-Disposition: form-data; name=\"é b\"; filename=\"dépôt (1).png\"|Content-Type: image/png|\
        Content-Length: 1|Content-Transfer-Encoding: binary|X-Own:  v ||1|--XX--"
        .replace('|', "\r\n");
    let told = read("XX", body.as_bytes(), 1, Limits::default()).unwrap();
    let head = &told.parts[0].0;
    assert_eq!((head.name(), head.file_name()), ("é b", Some("dépôt (1).png")));
    assert_eq!((head.content_type(), head.length()), (Some("image/png"), Some(1)));
    assert_eq!((&*head.others()[0].name, &*head.others()[0].value), ("x-own", "v"));
    let latin: Vec<u8> = body.bytes().map(|b| if b == 0xC3 { 0xE9 } else { b }).collect();
    assert_eq!(read("XX", &latin, 9, Limits::default()), Err(What::Head));
}

#[test]
fn bombs_are_refused_at_their_bounds() {
    let part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n";
    let parts = |count: usize| format!("{}--XX--", part.repeat(count));
    assert_eq!(read("XX", parts(20).as_bytes(), 64, Limits::default()).map(|told| told.parts.len()), Ok(20));
    assert_eq!(read("XX", parts(21).as_bytes(), 64, Limits::default()), Err(What::Parts));
    let endless = format!("--XX\r\nX: {}", "x".repeat(1 << 20));
    assert_eq!(read("XX", endless.as_bytes(), 4096, Limits::default()), Err(What::HeadSize));
    // A boundary that all but comes, again and again, costs no more than its length.
    let teasing = format!("{}{}", part.trim_end(), "\r\n--X".repeat(100_000));
    assert_eq!(read("XX", teasing.as_bytes(), 1000, Limits::default()), Err(What::Truncated));
}

#[test]
fn a_boundary_is_of_its_characters() {
    let long = "b".repeat(71);
    for boundary in ["", &long, "a b", "a\r\nb", "é", "a\"b", "a;b", "a\0b"] {
        assert_eq!(
            Parser::new(boundary, Limits::default()).err().map(|fault| fault.what),
            Some(What::Boundary)
        );
    }
    for boundary in [
        "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "------------------------d74496d66958873e",
        "=_?(a,b)'/:.+",
        long.strip_prefix('b').unwrap(),
    ] {
        assert!(Parser::new(boundary, Limits::default()).is_ok(), "{boundary}");
    }
}

#[test]
fn a_sink_that_has_enough_stops_the_reading() {
    let mut parser = Parser::new("XX", Limits::default()).unwrap();
    let body = b"--XX\r\nContent-Disposition: form-data; name=stop\r\n\r\n1\r\n--XX--";
    assert_eq!(parser.push(body, &mut Told::default()), Err(Stopped::Sink("enough")));
}
