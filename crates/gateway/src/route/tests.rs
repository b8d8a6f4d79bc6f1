use std::sync::Arc;

use http::Method;
use portcullis_openapi::matcher::{Matcher, MatcherBuilder, Methods};
use portcullis_openapi::template::Template;

use super::{Found, HostPattern, Routes};

/// An API that takes every path at or below `base`.
fn api(base: &str, name: usize) -> Arc<Matcher<usize>> {
    let mut builder = MatcherBuilder::new();
    let template = Template::parse(&format!("{base}/{{rest*}}")).expect("a template");
    builder.insert(Methods::Any, template, name).expect("no clash");
    Arc::new(builder.build().expect("one template"))
}

fn routes(bases: &[&str]) -> Routes<usize> {
    let mut routes = Routes::default();
    for (name, base) in bases.iter().enumerate() {
        routes.publish(HostPattern::Any, base, api(base, name));
    }
    routes
}

fn found(routes: &Routes<usize>, host: &str, path: &str) -> Option<usize> {
    match routes.find(host, &Method::GET, path) {
        Found::Operation(name) => Some(*name),
        Found::OtherMethods(_) | Found::Nothing => None,
    }
}

#[test]
fn the_longest_base_path_wins_by_whole_segments() {
    let routes = routes(&["", "/a", "/a/b/c", "/ab"]);
    for (path, expected) in [
        ("/", Some(0)),
        ("/x", Some(0)),
        ("/a", Some(1)),
        ("/a/", Some(1)),
        ("/a/x/y/z", Some(1)),
        ("/a/b", Some(1)),
        ("/a/b/", Some(1)),
        ("/a/b/c", Some(2)),
        ("/a/b/c/", Some(2)),
        ("/a/b/c/d/e", Some(2)),
        ("/a/b/cd", Some(1)),
        ("/ab", Some(3)),
        ("/abc", Some(0)),
        ("*", None),
        ("", None),
    ] {
        assert_eq!(found(&routes, "gw.test", path), expected, "{path}");
    }
}

#[test]
fn without_an_api_at_the_root_nothing_else_takes_its_paths() {
    let routes = routes(&["/a/b"]);
    for (path, expected) in
        [("/a/b", Some(0)), ("/a/b/c", Some(0)), ("/a", None), ("/", None), ("/a/bc", None)]
    {
        assert_eq!(found(&routes, "gw.test", path), expected, "{path}");
    }
}

#[test]
fn a_host_that_is_claimed_falls_back_to_no_other() {
    let mut routes = routes(&["", "/a"]);
    routes.publish(HostPattern::parse("API.test"), "/a", api("/a", 7));
    routes.publish(HostPattern::parse("*.test"), "/b", api("/b", 8));
    routes.publish(HostPattern::parse("*.long.test"), "/b", api("/b", 9));
    for (host, path, expected) in [
        ("api.test", "/a/x", Some(7)),
        ("api.test", "/b", None),
        ("other.test", "/b", Some(8)),
        ("other.test", "/a", None),
        ("one.long.test", "/b", Some(9)),
        ("test", "/a", Some(1)),
        ("elsewhere", "/x", Some(0)),
    ] {
        assert_eq!(found(&routes, host, path), expected, "{host} {path}");
    }
}

#[test]
fn ten_thousand_apis_of_one_host_are_each_found() {
    let bases: Vec<String> =
        (0..10_000).map(|number| format!("/team{}/product{}/v{number}", number % 10, number % 100)).collect();
    let mut routes = Routes::default();
    for (name, base) in bases.iter().enumerate() {
        routes.publish(HostPattern::Any, base, api(base, name));
    }
    for (name, base) in bases.iter().enumerate() {
        assert_eq!(found(&routes, "gw.test", &format!("{base}/orders/1/lines/2")), Some(name));
        assert_eq!(found(&routes, "gw.test", &format!("{base}x")), None);
    }
    assert_eq!(routes.any.deepest, 3, "so many look-ups, and one for the root");
}
