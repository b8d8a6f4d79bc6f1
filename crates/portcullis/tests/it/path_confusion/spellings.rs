//! Ways to write `/admin/users` that are not `/admin/users`.

/// What may stand for `..`.
const UPS: &[&str] = &[
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    ".%252e",
    "%25252e%25252e",
    "..;",
    "..;x=y",
    "%2e%2e;",
    "..%3b",
    "..%3bx",
    "..%00",
    "%00..",
    "..%20",
    "%20..",
    "..%09",
    "..%0a",
    "..%0d",
    "%c0%ae%c0%ae",
    "%c0%2e%c0%2e",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "%e2%80%a4%e2%80%a4",
    "%e2%80%a5",
    "%ef%b9%92%ef%b9%92",
    "%u002e%u002e",
    "%uff0e%uff0e",
    "..%e2%80%8b",
    "%e2%80%8b..",
    ".%c2%ad.",
    "..%ef%bb%bf",
];

/// What may stand for `/`.
const SLASHES: &[&str] = &[
    "/",
    "%2f",
    "%2F",
    "%252f",
    "%25252f",
    "\\",
    "%5c",
    "%5C",
    "%255c",
    "%c0%af",
    "%e0%80%af",
    "%f0%80%80%af",
    "%c1%9c",
    "%ef%bc%8f",
    "%ef%bc%bc",
    "%ef%b9%a8",
    "%u002f",
    "%u005c",
    "//",
    "/./",
    "/;/",
    "/%2e/",
    "/;x/",
];

/// What some readers cut off or overlook behind a segment.
const TAILS: &[&str] = &[
    ";",
    ";x",
    ";x=y",
    ";/",
    "%3b",
    "%3bx=y",
    "%253b",
    "%00",
    "%00x",
    "%2500",
    "%20",
    "%2520",
    "%09",
    "%0a",
    "%0d",
    "%3f",
    "%23",
    "%3fx",
    "%23x",
    "%c0%80",
    "%e2%80%8b",
    "%ef%bb%bf",
    "%c2%ad",
    "%2f",
    "%5c",
    "%252f",
    "%ef%bc%8f",
    "/.",
    "/%2e",
    "//",
    "/;",
    "\\",
];

/// What may stand before a segment without being one.
const FRONTS: &[&str] = &[
    "/",
    "//",
    "./",
    "%2e/",
    "%2f",
    "%5c",
    "\\",
    ";/",
    ";x/",
    ".;/",
    ".;x/",
    "%00/",
    "%20/",
    "%09/",
    "%0a/",
    "%20",
    "%00",
    "%0a",
    "%e2%80%8b",
    "%ef%bb%bf",
    "%252f",
    "%255c",
    "%ef%bc%8f",
    "%c0%af",
    "%ef%bc%8e/",
    "%252e/",
    "%c0%ae/",
    "%u002e/",
    "%3b/",
    "//./",
    "/./",
    "x/../",
    "x/..;/",
];

/// Every hostile spelling. None is the plain one, all lead some backend there.
pub(super) fn all() -> Vec<Vec<u8>> {
    let mut all: Vec<String> = Vec::new();
    all.extend(letters().into_iter().map(|admin| format!("/{admin}/users")));
    all.extend(TAILS.iter().map(|tail| format!("/admin{tail}/users")));
    all.extend(TAILS.iter().map(|tail| format!("/admin{tail}")));
    all.extend(FRONTS.iter().map(|front| format!("/{front}admin/users")));
    for up in UPS {
        all.push(format!("/open/{up}/admin/users"));
        all.push(format!("/a/b/{up}/{up}/admin"));
        all.push(format!("/{up}/admin"));
        all.push(format!("/admin/x/{up}/users"));
    }
    for slash in SLASHES {
        all.push(format!("/open{slash}..{slash}admin{slash}users"));
        all.push(format!("/open/..{slash}admin"));
        all.push(format!("/open{slash}../admin"));
        all.push(format!("/open{slash}%2e%2e{slash}admin"));
        all.push(format!("/admin{slash}users"));
    }
    all.retain(|path| path != "/admin/users" && path != "/admin/x/../users");
    all.sort();
    all.dedup();
    all.into_iter().map(String::into_bytes).collect()
}

/// `admin` with one letter, or every letter, written differently.
fn letters() -> Vec<String> {
    let ways: [fn(u8) -> String; 12] = [
        |b| format!("%25{b:02x}"),
        |b| format!("%25{b:02X}"),
        |b| format!("%2525{b:02x}"),
        |b| {
            format!(
                "%25%{:02x}%{:02x}",
                b"0123456789abcdef"[usize::from(b >> 4)],
                b"0123456789abcdef"[usize::from(b & 15)]
            )
        },
        |b| format!("%c1%{:02x}", 0x80 | (b & 0x3f)),
        |b| format!("%e0%81%{:02x}", 0x80 | (b & 0x3f)),
        |b| format!("%f0%80%81%{:02x}", 0x80 | (b & 0x3f)),
        |b| format!("%u00{b:02x}"),
        |b| format!("%uff{:02x}", b - 0x20),
        |b| escaped(char::from_u32(u32::from(b) - 0x21 + 0xff01)),
        |b| escaped(char::from_u32(u32::from(b) - 0x61 + 0x24d0)),
        |b| escaped(char::from_u32(u32::from(b) - 0x61 + 0x1d41a)),
    ];
    let mut all = Vec::new();
    for way in ways {
        for at in 0..5 {
            let spelled = |(i, b): (usize, u8)| if i == at { way(b) } else { char::from(b).to_string() };
            all.push("admin".bytes().enumerate().map(spelled).collect());
        }
        all.push("admin".bytes().map(way).collect());
    }
    all
}

fn escaped(letter: Option<char>) -> String {
    letter.expect("a letter").to_string().bytes().map(|byte| format!("%{byte:02x}")).collect()
}
