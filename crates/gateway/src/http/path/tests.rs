//! Path confusion: every refused class beside its nearest valid neighbour, and spellings generated from parts.

use std::collections::BTreeSet;

use super::{PathRules, Spelling, canonicalize};
use crate::http::Malformed;

fn check(path: &str) -> Result<String, Malformed> {
    check_with(path.as_bytes(), PathRules::default())
}

fn check_with(path: &[u8], rules: PathRules) -> Result<String, Malformed> {
    let (canonical, spelling) = marked(path, rules)?;
    // What routing makes of it where nothing is declared.
    if spelling.has_bare_parameters { Err(Malformed::PathEmptySegment) } else { Ok(canonical) }
}

fn marked(path: &[u8], rules: PathRules) -> Result<(String, Spelling), Malformed> {
    let mut out = Vec::new();
    let spelling = canonicalize(path, rules, &mut out)?;
    Ok((String::from_utf8(out).unwrap(), spelling))
}

#[test]
fn a_segment_of_parameters_alone_passes_marked_and_nothing_like_it_does() {
    let strict = PathRules::default();
    for (path, canonical) in [
        ("/;color=blue", "/;color=blue"),
        ("/cars/;color=blue", "/cars/;color=blue"),
        ("/cars/;color=blue/x", "/cars/;color=blue/x"),
        ("/cars/;color=%62lue%2cred/", "/cars/;color=blue%2Cred/"),
        ("/cars/;color=a%3Bb", "/cars/;color=a%3Bb"),
        ("/cars/;R=1;G=2", "/cars/;R=1;G=2"),
        ("/cars/;color", "/cars/;color"),
        ("/cars/;", "/cars/;"),
        ("/cars/;color=..", "/cars/;color=.."),
    ] {
        let spelling = Spelling { is_plain: false, has_bare_parameters: true };
        assert_eq!(marked(path.as_bytes(), strict), Ok((canonical.to_owned(), spelling)), "{path}");
        assert_eq!(
            marked(canonical.as_bytes(), strict),
            Ok((canonical.to_owned(), spelling)),
            "again: {path}"
        );
    }
    for (path, reason) in [
        ("/cars/%3Bcolor=blue", Malformed::PathEmptySegment),
        ("/cars/%20;color=blue", Malformed::PathEmptySegment),
        ("/cars/%E2%80%8B;color=blue", Malformed::PathEmptySegment),
        ("/cars/%EF%BC%9Bcolor=blue", Malformed::PathEmptySegment),
        ("/cars//;color=blue", Malformed::PathEmptySegment),
        ("//;color=blue", Malformed::PathEmptySegment),
        ("/cars/..;color=blue", Malformed::PathDotSegment),
        ("/cars/.;color=blue", Malformed::PathDotSegment),
        ("/cars/;..", Malformed::PathDotSegment),
        ("/cars/;..;color=blue", Malformed::PathDotSegment),
        ("/cars/;color=blue;%2e%2e", Malformed::PathDotSegment),
        ("/cars/;color=blue/../x", Malformed::PathDotSegment),
        ("/cars/;color=a%2Fb", Malformed::PathSeparator),
        ("/cars/;color=a%5Cb", Malformed::PathSeparator),
        ("/cars/;color=a%252Fb", Malformed::PathEncodedTwice),
        ("/cars/;color=%00", Malformed::PathControl),
    ] {
        assert_eq!(marked(path.as_bytes(), strict), Err(reason), "{path}");
    }
    let bare = PathRules { refuse_parameters: true, ..strict };
    assert_eq!(marked(b"/cars/;color=blue", bare), Err(Malformed::PathParameter));
    // What stands behind an escaped slash is a segment to somebody.
    let slashes = PathRules { encoded_slashes: true, ..strict };
    for path in ["/cars/;color=a%2Fb", "/cars/;color=a%2F;b"] {
        assert_eq!(marked(path.as_bytes(), slashes), Err(Malformed::PathEmptySegment), "{path}");
    }
}

#[test]
fn a_path_with_one_reading_passes_in_one_spelling() {
    for (path, canonical) in [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/", "/orders/"),
        ("/orders/42/items", "/orders/42/items"),
        ("/a-b_c.d~e!f$g&h'i(j)k*l+m,n=o:p@q", "/a-b_c.d~e!f$g&h'i(j)k*l+m,n=o:p@q"),
        // Escaped unreserved characters are the characters (RFC 3986 §6.2.2.2); other escapes stay, in capitals.
        ("/%6f%72ders", "/orders"),
        ("/%7Euser/%2D%5f", "/~user/-_"),
        ("/a%20b", "/a%20b"),
        ("/a%3ab%c3%a9", "/a%3Ab%C3%A9"),
        ("/caf%c3%a9/%E6%9D%B1%E4%BA%AC", "/caf%C3%A9/%E6%9D%B1%E4%BA%AC"),
        ("/what%3F/%23one", "/what%3F/%23one"),
        ("/100%25", "/100%25"),
        ("/100%25/x", "/100%25/x"),
        ("/5%25zz", "/5%25zz"),
        ("/a%252", "/a%252"),
        ("/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9", "/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A9"),
        ("/%C2%BD", "/%C2%BD"),
        ("/%C2%A5100", "/%C2%A5100"),
        // Dots that make no dot segment.
        ("/.well-known/jwks.json", "/.well-known/jwks.json"),
        ("/%2ewell-known", "/.well-known"),
        ("/..a/b..", "/..a/b.."),
        ("/a...b/v1.2", "/a...b/v1.2"),
        ("/a.%20b", "/a.%20b"),
        // Parameters that hide nothing.
        ("/a;v=1/b;x", "/a;v=1/b;x"),
        ("/a;..", "/a;.."),
        ("/a;%2e%2e", "/a;.."),
        // What browsers send raw.
        ("/a[1]|b^", "/a%5B1%5D%7Cb%5E"),
    ] {
        assert_eq!(check(path), Ok(canonical.to_owned()), "{path}");
        assert_eq!(check(canonical), Ok(canonical.to_owned()), "again: {path}");
    }
}

#[test]
fn a_path_with_two_readings_is_refused_for_what_it_is() {
    use Malformed::{
        PathCharacter, PathControl, PathDotSegment, PathEmptySegment, PathEncodedTwice, PathEscape,
        PathNotUtf8, PathSeparator, TargetForm, TargetFragment,
    };
    for (path, reason) in [
        ("", TargetForm),
        ("orders", TargetForm),
        ("/.", PathDotSegment),
        ("/..", PathDotSegment),
        ("/a/./b", PathDotSegment),
        ("/a/../b", PathDotSegment),
        ("/a/%2e%2E/b", PathDotSegment),
        ("/a/.%2e", PathDotSegment),
        ("/a/...", PathDotSegment),
        ("/a/..%20/b", PathDotSegment),
        ("/a/%20./b", PathDotSegment),
        ("/a/..;/b", PathDotSegment),
        ("/a/..;v=1/b", PathDotSegment),
        ("/a/..%3Bv/b", PathDotSegment),
        ("/a/..%3Fv", PathDotSegment),
        ("/a/..%23v", PathDotSegment),
        ("/a/%EF%BC%8E%EF%BC%8E/b", PathDotSegment),
        ("/a/%E2%80%A4%E2%80%A4/b", PathDotSegment),
        ("/a/%E2%80%A5/b", PathDotSegment),
        ("/a/%E2%80%A6/b", PathDotSegment),
        ("/a/%EF%B9%92./b", PathDotSegment),
        ("/a/%E3%80%82./b", PathDotSegment),
        ("/a/.%E2%80%8B./b", PathDotSegment),
        ("/a/..%EF%BC%9Bx/b", PathDotSegment),
        ("/a/..%CD%BEx/b", PathDotSegment),
        ("/a/..%C2%A5b", PathDotSegment),
        ("/a/x%E2%82%A9..%E2%82%A9b", PathDotSegment),
        ("//", PathEmptySegment),
        ("//a", PathEmptySegment),
        ("/a//b", PathEmptySegment),
        ("/a//", PathEmptySegment),
        ("/;x/a", PathEmptySegment),
        ("/a/;/b", PathEmptySegment),
        ("/%20/a", PathEmptySegment),
        ("/a\\b", PathSeparator),
        ("/a%5Cb", PathSeparator),
        ("/a%2fb", PathSeparator),
        ("/a%EF%BC%8Fb", PathSeparator),
        ("/a%EF%BC%BCb", PathSeparator),
        ("/a%E2%88%95b", PathSeparator),
        ("/a%E2%81%84b", PathSeparator),
        ("/a%EF%B9%A8b", PathSeparator),
        ("/a%E2%84%80b", PathSeparator),
        ("/a%00b", PathControl),
        ("/a%0d%0ab", PathControl),
        ("/a%09", PathControl),
        ("/a%7f", PathControl),
        ("/a%C2%85", PathControl),
        ("/a%252fb", PathEncodedTwice),
        ("/a%2525", PathEncodedTwice),
        ("/%252e%252e/a", PathEncodedTwice),
        ("/%25%32%65", PathEncodedTwice),
        ("/%252%65", PathEncodedTwice),
        ("/%25u002e", PathEncodedTwice),
        ("/%EF%BC%852e", PathEncodedTwice),
        ("/%EF%BC%85%EF%BC%92%EF%BC%A5", PathEncodedTwice),
        ("/%", PathEscape),
        ("/%2", PathEscape),
        ("/%zz", PathEscape),
        ("/%2/2f", PathEscape),
        ("/%u002e%u002e/a", PathEscape),
        ("/%%32%65", PathEscape),
        ("/%+2", PathEscape),
        ("/%C0%AE%C0%AE/a", PathNotUtf8),
        ("/%C0%AFa", PathNotUtf8),
        ("/%E0%80%AF", PathNotUtf8),
        ("/%F0%80%80%AF", PathNotUtf8),
        ("/caf%E9", PathNotUtf8),
        ("/%ED%A0%80", PathNotUtf8),
        ("/a b", PathCharacter),
        ("/a\"b", PathCharacter),
        ("/<a>", PathCharacter),
        ("/{a}", PathCharacter),
        ("/`a`", PathCharacter),
        ("/café", PathCharacter),
        ("/a\0", PathCharacter),
        ("/a\r\nb", PathCharacter),
        ("/a?b", PathCharacter),
        ("/a#b", TargetFragment),
    ] {
        assert_eq!(check(path), Err(reason), "{path}");
    }
}

#[test]
fn leniencies_let_pass_what_they_name_and_nothing_else() {
    let empty = PathRules { empty_segments: true, ..PathRules::default() };
    for (path, expected) in [
        ("/a//b", Ok("/a//b".to_owned())),
        ("/a//", Ok("/a//".to_owned())),
        ("/a/;x", Ok("/a/;x".to_owned())),
        ("//a", Err(Malformed::PathEmptySegment)),
        ("//", Err(Malformed::PathEmptySegment)),
        ("/a//../b", Err(Malformed::PathDotSegment)),
    ] {
        assert_eq!(check_with(path.as_bytes(), empty), expected, "{path}");
    }
    let slashes = PathRules { encoded_slashes: true, ..PathRules::default() };
    for (path, expected) in [
        ("/a%2fb", Ok("/a%2Fb".to_owned())),
        ("/a%2Fb%2fc/d", Ok("/a%2Fb%2Fc/d".to_owned())),
        ("/%40scope%2fname", Ok("/%40scope%2Fname".to_owned())),
        ("/a%5Cb", Err(Malformed::PathSeparator)),
        ("/a%252Fb", Err(Malformed::PathEncodedTwice)),
        ("/a%EF%BC%8Fb", Err(Malformed::PathSeparator)),
        ("/a%2F..", Err(Malformed::PathDotSegment)),
        ("/a%2F%2e%2e%2Fb", Err(Malformed::PathDotSegment)),
        ("/..%2Fa", Err(Malformed::PathDotSegment)),
        ("/a%2F..;x%2Fb", Err(Malformed::PathDotSegment)),
        ("/a%2F", Err(Malformed::PathEmptySegment)),
        ("/%2Fa", Err(Malformed::PathEmptySegment)),
        ("/a%2F%2Fb", Err(Malformed::PathEmptySegment)),
        ("/%2F", Err(Malformed::PathEmptySegment)),
    ] {
        assert_eq!(check_with(path.as_bytes(), slashes), expected, "{path}");
    }
    let bytes = PathRules { not_utf8: true, ..PathRules::default() };
    for (path, expected) in [
        ("/caf%e9", Ok("/caf%E9".to_owned())),
        ("/%80%ff", Ok("/%80%FF".to_owned())),
        ("/%C0%AE", Err(Malformed::PathNotUtf8)),
        ("/%E0%80%AE", Err(Malformed::PathNotUtf8)),
        ("/%F0%80%80%AE", Err(Malformed::PathNotUtf8)),
        ("/%e9%2f", Err(Malformed::PathSeparator)),
        ("/%e9%EF%BC%8F", Err(Malformed::PathSeparator)),
    ] {
        assert_eq!(check_with(path.as_bytes(), bytes), expected, "{path}");
    }
    let bare = PathRules { refuse_parameters: true, ..PathRules::default() };
    for (path, expected) in [
        ("/a;v=1", Err(Malformed::PathParameter)),
        ("/a%3Bv=1", Err(Malformed::PathParameter)),
        ("/a,v=1", Ok("/a,v=1".to_owned())),
    ] {
        assert_eq!(check_with(path.as_bytes(), bare), expected, "{path}");
    }
}

/// One dot, in the spellings that some decoder, folder or file system reads as one.
const DOTS: &[&str] = &[
    ".",
    "%2e",
    "%2E",
    "%252e",
    "%252E",
    "%25%32%65",
    "%%32%65",
    "%c0%ae",
    "%C0%2e",
    "%e0%80%ae",
    "%f0%80%80%ae",
    "%fc%80%80%80%80%ae",
    "%ef%bc%8e",
    "%e2%80%a4",
    "%ef%b9%92",
    "%e3%80%82",
    "%ef%bd%a1",
    "%u002e",
    "%uff0e",
    "%2%65",
    ".%e2%80%8b",
    "%c2%ad.",
    ".%ef%bb%bf",
    "%25252e",
];

/// A separator, likewise.
const SEPARATORS: &[&str] = &[
    "/",
    "//",
    "/./",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "%252f",
    "%255c",
    "%25%32%66",
    "%%32%66",
    "%c0%af",
    "%c1%9c",
    "%e0%80%af",
    "%f0%80%80%af",
    "%ef%bc%8f",
    "%ef%bc%bc",
    "%ef%b9%a8",
    "%e2%88%95",
    "%e2%81%84",
    "%e2%88%96",
    "%e2%a7%b8",
    "%e2%a7%b5",
    "%u2215",
    "%u002f",
    "%u005c",
    "%25252f",
    ";/",
    ";x=y/",
    "%3b/",
    "%20/",
];

#[test]
fn every_way_up_to_another_path_is_refused() {
    let mut ways = BTreeSet::new();
    for first in DOTS {
        for (second, separator) in DOTS.iter().flat_map(|second| SEPARATORS.iter().map(move |s| (second, s)))
        {
            let up = format!("{first}{second}");
            ways.insert(format!("/public/{up}{separator}admin"));
            ways.insert(format!("/public/x{separator}{up}"));
            ways.insert(format!("/public{separator}{up}{separator}admin"));
            ways.insert(format!("/{up}{separator}{up}{separator}admin"));
        }
    }
    assert!(ways.len() > 366 * 100, "{}", ways.len());
    for way in ways {
        assert!(check(&way).is_err(), "{way} passes");
    }
}

#[test]
fn every_way_to_slip_into_a_segment_is_refused() {
    // Spellings of `/admin/x` that some backend serves as `/admin/x` and that no table has as such.
    let mut ways = BTreeSet::new();
    for separator in SEPARATORS.iter().filter(|s| !matches!(**s, "/" | ";/" | ";x=y/" | "%3b/" | "%20/")) {
        ways.insert(format!("/admin{separator}x"));
        ways.insert(format!("/{separator}admin/x"));
        ways.insert(format!("{separator}/admin/x"));
    }
    for dot in DOTS {
        ways.insert(format!("/{dot}/admin/x"));
        ways.insert(format!("/admin/{dot}/x"));
        ways.insert(format!("/admin/x/{dot}"));
        ways.insert(format!("/admin/{dot};a/x"));
        ways.insert(format!("/admin/{dot}%20/x"));
    }
    for empty in ["/", ";", ";a=b", "%20", "%3b", "%e2%80%8b", "%c2%a0", "%e3%80%80"] {
        ways.insert(format!("/{empty}/admin/x"));
        ways.insert(format!("/admin/{empty}/x"));
    }
    for control in 0..0x20 {
        ways.insert(format!("/admin%{control:02x}/x"));
        ways.insert(format!("/admin/x%{control:02X}"));
    }
    assert!(ways.len() > 200, "{}", ways.len());
    for way in ways {
        assert!(check(&way).is_err(), "{way} passes");
    }
}

#[test]
fn every_escape_of_one_byte_has_one_fate() {
    for byte in 0..=u8::MAX {
        let character = char::from(byte);
        for path in [format!("/a%{byte:02x}"), format!("/a%{byte:02X}")] {
            let expected = match byte {
                b'/' | b'\\' => Err(Malformed::PathSeparator),
                0..=0x1f | 0x7f => Err(Malformed::PathControl),
                0x80.. => Err(Malformed::PathNotUtf8),
                _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => Ok(format!("/a{character}")),
                _ => Ok(format!("/a%{byte:02X}")),
            };
            assert_eq!(check(&path), expected, "{path}");
        }
    }
}

#[test]
fn the_plain_way_and_the_thorough_way_agree() {
    // All paths of up to five characters from those that matter: the scan that lets plain paths pass must let
    // none pass that the rest would refuse or spell otherwise.
    let alphabet = ['/', '.', ';', 'a', '%', '2', 'e'];
    let mut paths = vec![String::from("/")];
    for _ in 0..5 {
        paths = paths.iter().flat_map(|path| alphabet.map(|c| format!("{path}{c}"))).collect();
        for path in &paths {
            let through_slow_way = check(&format!("{path}/%41")).map(|mut canonical| {
                canonical.truncate(canonical.len() - "/A".len());
                canonical
            });
            match (check(path), through_slow_way) {
                (Err(_), Err(_)) => {}
                // A slash at the end passes; before another segment it makes an empty one.
                (Ok(canonical), Err(Malformed::PathEmptySegment)) => {
                    assert!(canonical.ends_with('/'), "{path}")
                }
                (fast, slow) => assert_eq!(fast, slow, "{path}"),
            }
        }
    }
}
