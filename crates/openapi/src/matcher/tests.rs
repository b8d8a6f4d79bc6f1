#![expect(clippy::arithmetic_side_effects, reason = "test code")]

use http::Method;

use super::{Clash, Match, Matcher, MatcherBuilder, Methods};
use crate::template::Template;

mod bench;
mod reference;

/// `GET /things/{id}` or `* /{rest*}`.
fn operation(text: &str) -> (Methods, Template) {
    let (method, template) = text.split_once(' ').unwrap();
    let methods = match method {
        "*" => Methods::Any,
        name => Methods::One(Method::from_bytes(name.as_bytes()).unwrap()),
    };
    (methods, Template::parse(template).unwrap())
}

fn matcher(operations: &[&'static str]) -> Matcher<&'static str> {
    let mut builder = MatcherBuilder::new();
    for text in operations {
        let (methods, template) = operation(text);
        builder.insert(methods, template, *text).unwrap();
    }
    builder.build().unwrap()
}

/// The operation with its parameters, `405 GET, HEAD` or `404`.
fn answer(matcher: &Matcher<&'static str>, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    match matcher.find(&Method::from_bytes(method.as_bytes()).unwrap(), path) {
        Match::Found { value, template, parameters } => {
            assert_eq!(matcher.iter().nth(template).unwrap().2, value);
            let mut text = (*value).to_owned();
            for (name, span) in parameters.iter() {
                assert_eq!(parameters.get(name, path), span.of(path));
                text.push_str(&format!(" {name}={}", span.of(path).unwrap()));
            }
            text
        }
        Match::MethodNotAllowed { allow } => format!("405 {allow}"),
        Match::NotFound => "404".to_owned(),
    }
}

fn check(operations: &[&'static str], rows: &[(&str, &str)]) {
    let matcher = matcher(operations);
    for (request, expected) in rows {
        assert_eq!(answer(&matcher, request), *expected, "{request} among {operations:?}");
    }
    // The order of insertion never decides.
    let reversed: Vec<_> = operations.iter().rev().copied().collect();
    let matcher = self::matcher(&reversed);
    for (request, expected) in rows {
        assert_eq!(answer(&matcher, request), *expected, "{request} among {reversed:?}");
    }
}

#[test]
fn static_comes_before_affixed_before_parameter_before_greedy() {
    check(
        &[
            "GET /a/b",
            "GET /a/{x}b",
            "GET /a/{x}",
            "GET /a/{x}.tar.gz",
            "GET /a/{x}.gz",
            "GET /a/{x*}",
            "GET /{x}/b",
        ],
        &[
            ("GET /a/b", "GET /a/b"),
            ("GET /a/bb", "GET /a/{x}b x=b"),
            ("GET /a/c", "GET /a/{x} x=c"),
            ("GET /a/c.gz", "GET /a/{x}.gz x=c"),
            ("GET /a/c.tar.gz", "GET /a/{x}.tar.gz x=c"),
            ("GET /a/.tar.gz", "GET /a/{x}.gz x=.tar"),
            ("GET /a/.gz", "GET /a/{x} x=.gz"),
            ("GET /a/c/d", "GET /a/{x*} x=c/d"),
            ("GET /a/", "GET /a/{x*} x="),
            ("GET /a", "GET /a/{x*} x="),
            ("GET /c/b", "GET /{x}/b x=c"),
            ("GET /c/c", "404"),
            ("GET /", "404"),
            ("GET /A/b", "GET /{x}/b x=A"),
        ],
    );
}

#[test]
fn what_leads_nowhere_is_taken_back() {
    check(
        &["GET /a/b/{y}/d", "GET /a/{x}/c", "GET /{w}/b/c/{v}", "GET /a/v{x}/e", "GET /{r*}"],
        &[
            ("GET /a/b/c", "GET /a/{x}/c x=b"),
            ("GET /a/b/c/d", "GET /a/b/{y}/d y=c"),
            ("GET /a/b/c/e", "GET /{w}/b/c/{v} w=a v=e"),
            ("GET /a/v1/e", "GET /a/v{x}/e x=1"),
            ("GET /a/v1/c", "GET /a/{x}/c x=v1"),
            ("GET /a/v1/f", "GET /{r*} r=a/v1/f"),
        ],
    );
}

#[test]
fn a_template_that_lacks_the_method_does_not_hide_one_that_has_it() {
    check(
        &["GET /a/{x}/c", "POST /a/b/{y}", "GET /things/mine", "DELETE /things/{id}", "PUT /things/{name}"],
        &[
            ("GET /a/b/c", "GET /a/{x}/c x=b"),
            ("POST /a/b/c", "POST /a/b/{y} y=c"),
            ("PUT /a/b/c", "405 GET, HEAD, POST, OPTIONS"),
            ("DELETE /things/mine", "DELETE /things/{id} id=mine"),
            ("PUT /things/7", "PUT /things/{name} name=7"),
            ("PATCH /things/mine", "405 GET, HEAD, PUT, DELETE, OPTIONS"),
            ("GET /things/7", "405 PUT, DELETE, OPTIONS"),
        ],
    );
}

#[test]
fn any_method_and_greedy_never_take_over_a_path_that_is_owned() {
    check(
        &["GET /a/b", "* /a/{x}", "* /{rest*}", "GET /c/{r*}", "POST /c/{x}/e"],
        &[
            ("GET /a/b", "GET /a/b"),
            ("POST /a/b", "405 GET, HEAD, OPTIONS"),
            ("POST /a/c", "* /a/{x} x=c"),
            ("POST /a", "* /{rest*} rest=a"),
            ("TRACE /a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("POST /c/d", "405 GET, HEAD, OPTIONS"),
            ("POST /c/d/e", "POST /c/{x}/e x=d"),
            ("PUT /c/d/e", "405 POST, OPTIONS"),
            ("GET /c/d/e", "405 POST, OPTIONS"),
            ("GET /d", "* /{rest*} rest=d"),
            ("OPTIONS /d", "* /{rest*} rest=d"),
        ],
    );
    // A declared GET beside any method of one shape is the more concrete one, for HEAD too.
    check(
        &["GET /a/{x}", "* /a/{y}"],
        &[
            ("GET /a/1", "GET /a/{x} x=1"),
            ("HEAD /a/1", "GET /a/{x} x=1"),
            ("POST /a/1", "* /a/{y} y=1"),
            ("COPY /a/1", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        ],
    );
}

#[test]
fn head_goes_where_get_is_unless_declared() {
    check(
        &["GET /a", "GET /b", "HEAD /b", "POST /c", "GET /d/{x}", "HEAD /{y}/e"],
        &[
            ("HEAD /a", "GET /a"),
            ("HEAD /b", "HEAD /b"),
            ("HEAD /c", "405 POST, OPTIONS"),
            ("HEAD /d/e", "GET /d/{x} x=e"),
        ],
    );
}

#[test]
fn options_is_answered_by_the_list_unless_declared() {
    check(
        &["GET /a", "OPTIONS /b", "POST /b", "QUERY /a", "COPY /a"],
        &[
            ("OPTIONS /a", "405 GET, HEAD, OPTIONS, COPY, QUERY"),
            ("OPTIONS /b", "OPTIONS /b"),
            ("OPTIONS /c", "404"),
            ("QUERY /a", "QUERY /a"),
            ("query /a", "405 GET, HEAD, OPTIONS, COPY, QUERY"),
            ("GET /b", "405 POST, OPTIONS"),
            ("OPTIONS *", "404"),
        ],
    );
}

#[test]
fn empty_segments_match_only_literally_or_greedily() {
    check(
        &["GET /", "GET /a/", "GET //b", "GET /c/{x}", "GET /d/{r*}", "GET /{x}/{y}/e", "GET /{x}.json"],
        &[
            ("GET /", "GET /"),
            ("GET /a/", "GET /a/"),
            ("GET /a", "404"),
            ("GET //b", "GET //b"),
            ("GET /b", "404"),
            ("GET /c/", "404"),
            ("GET /c/1/", "404"),
            ("GET /d//x/", "GET /d/{r*} r=/x/"),
            ("GET //x/e", "404"),
            ("GET /x//e", "404"),
            ("GET /.json", "404"),
            ("GET //", "404"),
        ],
    );
}

#[test]
fn an_empty_path_is_matched_by_a_greedy_root_alone() {
    check(&["GET /", "GET /{r*}"], &[("GET ", "GET /{r*} r="), ("GET /", "GET /")]);
    check(&["GET /", "GET /{x}"], &[("GET ", "404"), ("GET a", "404")]);
}

#[test]
fn affixed_segments_are_split_from_the_left() {
    check(
        &[
            "GET /{a},{b}",
            "GET /{a},{b},{c}",
            "GET /v{a}.{b}",
            "GET /{a}--{b}:go",
            "GET /{n}:go",
            "GET /x{n}",
        ],
        &[
            ("GET /1,2", "GET /{a},{b} a=1 b=2"),
            ("GET /1,2,3", "GET /{a},{b},{c} a=1 b=2 c=3"),
            ("GET /1,2,3,4", "GET /{a},{b},{c} a=1 b=2 c=3,4"),
            ("GET /,2", "404"),
            ("GET /,,2", "GET /{a},{b} a=, b=2"),
            ("GET /v1.2.3", "GET /v{a}.{b} a=1 b=2.3"),
            ("GET /v.2", "404"),
            ("GET /a--b:go", "GET /{a}--{b}:go a=a b=b"),
            ("GET /a---b:go", "GET /{a}--{b}:go a=a b=-b"),
            ("GET /a--:go", "GET /{n}:go n=a--"),
            ("GET /x", "404"),
            ("GET /x:go", "GET /{n}:go n=x"),
            ("GET /x%2C2", "GET /x{n} n=%2C2"),
        ],
    );
}

#[test]
fn text_never_begins_within_an_escape() {
    check(
        &["GET /{a}2{b}", "GET /{a}C", "GET /{a}%2C", "GET /p/{a}x{b}C"],
        &[
            ("GET /x%2Cy", "404"),
            ("GET /x%2C2y", "GET /{a}2{b} a=x%2C b=y"),
            ("GET /x%2C", "GET /{a}%2C a=x"),
            ("GET /x%3C", "404"),
            ("GET /x%3CC", "GET /{a}C a=x%3C"),
            ("GET /p/1x%3C", "404"),
        ],
    );
}

#[test]
fn hundreds_of_custom_verbs_stand_at_one_node() {
    let mut builder = MatcherBuilder::new();
    for verb in 0..500 {
        let template = Template::parse(&format!("/v1/{{name}}:verb{verb}")).unwrap();
        builder.insert(Methods::One(Method::POST), template, verb).unwrap();
    }
    builder.insert(Methods::One(Method::POST), Template::parse("/v1/{name}").unwrap(), 1000).unwrap();
    let matcher = builder.build().unwrap();
    for (path, expected) in
        [("/v1/x:verb7", 7), ("/v1/x:verb499", 499), ("/v1/x:verb500", 1000), ("/v1/:verb7", 1000)]
    {
        let Match::Found { value, .. } = matcher.find(&Method::POST, path) else { panic!("{path}") };
        assert_eq!(*value, expected, "{path}");
    }
}

#[test]
fn templates_that_differ_in_names_clash_on_the_same_method() {
    let mut builder = MatcherBuilder::new();
    let mut insert = |text: &'static str| {
        let (methods, template) = operation(text);
        builder.insert(methods, template, text)
    };
    assert_eq!(insert("GET /a/{x}"), Ok(()));
    assert_eq!(insert("PUT /a/{y}"), Ok(()));
    assert_eq!(insert("* /a/{z}"), Ok(()));
    assert_eq!(insert("PUT /%61/{z}"), Err(Clash { existing: 1 }));
    assert_eq!(insert("* /a/{x}"), Err(Clash { existing: 2 }));
    assert_eq!(insert("GET /a/{x*}"), Ok(()));
    assert_eq!(insert("GET /a/{y*}"), Err(Clash { existing: 3 }));
    assert_eq!(insert("GET /a/{x}.{y}"), Ok(()));
    assert_eq!(insert("GET /a/{y}.{x}"), Err(Clash { existing: 4 }));
    assert_eq!(builder.len(), 5);
    let matcher = builder.build().unwrap();
    assert_eq!(answer(&matcher, "PUT /a/1"), "PUT /a/{y} y=1");
}

#[test]
fn templates_that_cross_in_every_segment_are_refused() {
    let build = |depth: u32| {
        let mut builder = MatcherBuilder::new();
        for bits in 0..2_u32.pow(depth) {
            let template: String =
                (0..depth).map(|bit| if bits & (1 << bit) == 0 { "/a" } else { "/{x}" }).collect();
            let template =
                template.split('/').enumerate().map(|(at, text)| text.replace('x', &format!("x{at}")));
            let template = template.collect::<Vec<_>>().join("/");
            builder.insert(Methods::One(Method::GET), Template::parse(&template).unwrap(), bits).unwrap();
        }
        builder.build()
    };
    assert_eq!(build(9).unwrap().steps(), 1023);
    assert_eq!(build(12).unwrap_err().steps, 8191);
}

#[test]
fn a_path_of_many_segments_costs_no_more_than_the_templates_are_deep() {
    let matcher = matcher(&["GET /{a}/{b}/c", "GET /a/{r*}"]);
    let path = "/a".repeat(30_000);
    let Match::Found { parameters, .. } = matcher.find(&Method::GET, &path) else {
        panic!("greedy takes it")
    };
    assert_eq!(parameters.get("r", &path).map(str::len), Some(path.len() - 3));
    assert_eq!(answer(&matcher, &format!("GET {}", "/b".repeat(30_000))), "404");
}

#[test]
fn up_to_eight_parameters_stay_off_the_heap() {
    let matcher = matcher(&["GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}"]);
    let Match::Found { parameters, .. } = matcher.find(&Method::GET, "/1/2/3/4/5/6/7/8") else {
        panic!("found")
    };
    assert!(!parameters.into_spans().spilled());
}

#[test]
fn of_many_literals_each_is_found_and_no_other() {
    let mut builder = MatcherBuilder::new();
    for number in 0..1_000 {
        let template = Template::parse(&format!("/resource{number}/{{id}}")).unwrap();
        builder.insert(Methods::One(Method::GET), template, number).unwrap();
    }
    let matcher = builder.build().unwrap();
    for number in 0..1_000 {
        let path = format!("/resource{number}/7");
        let found = matcher.find(&Method::GET, &path);
        assert!(matches!(found, Match::Found { value, .. } if *value == number), "{path}");
    }
    for path in ["/resource1000/7", "/resource/7", "/resource07/7", "/Resource7/7", "//7", "/"] {
        assert_eq!(matcher.find(&Method::GET, path), Match::NotFound, "{path}");
    }
}

#[test]
fn methods_of_their_own_are_found_alone_and_beside_others() {
    check(
        &["PURGE /a/{x}", "PURGE /b", "GET /b", "* /c", "REPORT /c"],
        &[
            ("PURGE /a/1", "PURGE /a/{x} x=1"),
            ("GET /a/1", "405 OPTIONS, PURGE"),
            ("HEAD /b", "GET /b"),
            ("PURGE /b", "PURGE /b"),
            ("PUT /b", "405 GET, HEAD, OPTIONS, PURGE"),
            ("REPORT /c", "REPORT /c"),
            ("DELETE /c", "* /c"),
            ("PURGE /c", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, REPORT"),
        ],
    );
}
