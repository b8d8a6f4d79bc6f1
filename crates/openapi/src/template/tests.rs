use super::{Segment, Template, TemplateError, TemplateReason};

/// Writes segments so that a table can show them: literals plain, `<n>` for n-parameter segments with their text.
fn shape(source: &str) -> String {
    let template = Template::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(template.as_str(), source);
    let mut text = String::new();
    for segment in template.segments() {
        text.push('/');
        match segment {
            Segment::Literal(literal) => text.push_str(literal),
            Segment::Affixed(affix) => {
                text.push_str(&affix.prefix);
                for between in &affix.between {
                    text.push_str("<>");
                    text.push_str(between);
                }
                text.push_str("<>");
                text.push_str(&affix.suffix);
            }
            Segment::Parameter => text.push_str("<*>"),
            Segment::Rest => text.push_str("<**>"),
        }
    }
    text
}

#[test]
fn segments_are_literal_affixed_whole_or_greedy() {
    for (source, expected) in [
        ("/", "/"),
        ("/things", "/things"),
        ("/things/", "/things/"),
        ("//x//", "//x//"),
        ("/things/{id}", "/things/<*>"),
        ("/things/{id}.json", "/things/<>.json"),
        ("/v1/{name}:cancel", "/v1/<>:cancel"),
        ("/at/{lat},{lon}", "/at/<>,<>"),
        ("/v{major}.{minor}-x/{a}", "/v<>.<>-x/<*>"),
        ("/{rest*}", "/<**>"),
        ("/files/{path*}", "/files/<**>"),
        ("/users('{id}')/:literal", "/users('<>')/:literal"),
        ("/{insight_id:}", "/<*>"),
    ] {
        assert_eq!(shape(source), expected, "{source}");
    }
}

#[test]
fn literals_are_spelled_as_canonical_paths_are() {
    for (source, expected) in [
        ("/%7euser/%41%2d", "/~user/A-"),
        ("/a%3ab", "/a%3Ab"),
        ("/a:b;c=d,e@f!$&'()*+", "/a:b;c=d,e@f!$&'()*+"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/two words", "/two%20words"),
        ("/dossier\"", "/dossier%22"),
        ("/[x]|^`<>", "/%5Bx%5D%7C%5E%60%3C%3E"),
        ("/100%25", "/100%25"),
        ("/...", "/..."),
        ("/.{x}", "/.<>"),
    ] {
        assert_eq!(shape(source), expected, "{source}");
    }
}

#[test]
fn what_would_have_to_be_guessed_is_refused_with_its_place() {
    use TemplateReason as R;
    for (source, offset, reason) in [
        ("", 0, R::NoSlash),
        ("things", 0, R::NoSlash),
        ("{rest*}", 0, R::NoSlash),
        ("/x?action=y", 2, R::Query),
        ("/x{id}?a={b}", 6, R::Query),
        ("/#Action=Go", 1, R::Fragment),
        ("/a%", 2, R::Escape),
        ("/a%4", 2, R::Escape),
        ("/a%zz", 2, R::Escape),
        ("/a%+1", 2, R::Escape),
        ("/a/../b", 3, R::Unreachable),
        ("/%2e", 1, R::Unreachable),
        ("/a%2Fb", 2, R::Unreachable),
        ("/a\\b", 2, R::Unreachable),
        ("/a%5cb", 2, R::Unreachable),
        ("/a\u{7}", 2, R::Unreachable),
        ("/a%00", 2, R::Unreachable),
        ("/{a\u{7}}", 1, R::Unreachable),
        ("/{a", 1, R::Unclosed),
        ("/{a/b}", 1, R::Unclosed),
        ("/{a{b}}", 1, R::Unclosed),
        ("/a}", 2, R::Unopened),
        ("/{a}}", 4, R::Unopened),
        ("/x{}", 2, R::NoName),
        ("/{*}", 1, R::NoName),
        ("/{a}{b}", 4, R::Touching),
        ("/{a}{b*}", 4, R::Touching),
        ("/{id}/x/{id}", 8, R::NameTwice),
        ("/{id:[0-9]+}", 1, R::Pattern),
        ("/{id=5}", 1, R::Pattern),
        ("/{?page}", 1, R::Operator),
        ("/{+path}", 1, R::Operator),
        ("/{path+}", 1, R::Operator),
        ("/{id?}", 1, R::Operator),
        ("/{rest**}", 1, R::Operator),
        ("/{rest*}/x", 9, R::RestNotLast),
        ("/{rest*}/", 9, R::RestNotLast),
        ("/{rest*}.json", 1, R::RestNotLast),
        ("/x{rest*}", 2, R::RestNotLast),
    ] {
        assert_eq!(Template::parse(source), Err(TemplateError { offset, reason }), "{source}");
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let long = format!("/{}", "a".repeat(Template::BYTES_MAX - 1));
    assert!(Template::parse(&long).is_ok());
    let error = Template::parse(&format!("{long}a")).unwrap_err();
    assert_eq!(error.reason, TemplateReason::TooLong);
    let deep = "/a".repeat(Template::SEGMENTS_MAX);
    assert!(Template::parse(&deep).is_ok());
    let error = Template::parse(&format!("{deep}/a")).unwrap_err();
    assert_eq!(error, TemplateError { offset: deep.len() + 1, reason: TemplateReason::TooManySegments });
}

#[test]
fn parameters_are_counted() {
    let many = |count: usize| (0..count).map(|at| format!("/{{p{at}}}")).collect::<String>();
    assert!(Template::parse(&many(Template::PARAMETERS_MAX)).is_ok());
    let error = Template::parse(&many(Template::PARAMETERS_MAX + 1)).unwrap_err();
    assert_eq!(error.reason, TemplateReason::TooManyParameters);
}

#[test]
fn a_template_without_parameters_is_a_path() {
    let literal = |source| Template::parse(source).unwrap().as_literal();
    assert_eq!(literal("/a/%62/\u{e9}/").as_deref(), Some("/a/b/%C3%A9/"));
    assert_eq!(literal("/a/{b}"), None);
}

#[test]
fn an_example_has_the_value_for_each_parameter() {
    let filled = Template::parse("/a/{x}/{y}.{z}/{rest*}").unwrap().filled(str::to_uppercase);
    assert_eq!(filled, "/a/X/Y.Z/REST");
    let example = |source| Template::parse(source).unwrap().example("7");
    assert_eq!(example("/a/{x}/v{y}.{z}-/{w*}"), "/a/7/v7.7-/7");
    assert_eq!(example("/"), "/");
}

#[test]
fn names_do_not_make_a_shape() {
    let parse = |source| Template::parse(source).unwrap();
    assert!(parse("/a/{x}/v{y}/{z*}").is_same_shape(&parse("/%61/{k}/v{l}/{m*}")));
    assert!(!parse("/a/{x}").is_same_shape(&parse("/a/{x}/")));
    assert_eq!(parse("/{x}/v{y}.{w}/{z*}").parameters(), ["x".into(), "y".into(), "w".into(), "z".into()]);
    assert!(parse("/{z*}").is_greedy() && !parse("/{z}").is_greedy());
}
