//! What was judged as one path never arrives as another (row 20).
//!
//! `/admin` asks for a key and everything else is open, so every path that some backend reads as `/admin` and
//! the gateway does not is a way in. Spellings are generated; what arrives is read in every way that backends
//! are known to read paths ([`readings`]), and none of them may be `/admin`.

mod matrix;
mod readings;
mod spellings;

use portcullis_testkit::recorder::Mark;
use portcullis_testkit::{Message, Request, Wire};

use crate::stage::{CONFIG, Findings, KEY, KEY_FIELD, Stage};
use readings::leads_to_admin;

/// Row 20: no spelling leads around the key.
#[test]
fn no_spelling_of_admin_arrives_without_a_key() {
    let spellings = spellings::all();
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut findings = Findings::default();
        let mut refused = 0;
        for path in &spellings {
            let mark = stage.backend.mark();
            let outcome = wire.try_send(stage.public(), &Request::get(path));
            let outcome = outcome.map_err(|failure| format!("no reply: {failure}")).and_then(|response| {
                refused += usize::from(response.status == 400);
                judge(response.status, &stage.backend.since(mark))
            });
            findings.note(path.escape_ascii().to_string(), outcome);
        }
        findings.conclude(366);
        assert!(refused > 0, "nothing was refused: the spellings are not hostile");
        stage.expect_plain_backend_traffic();
        let arrived = stage.backend.messages();
        let (raw, target) = (String::from_utf8_lossy, |m: &Message| m.target());
        let unseen = arrived.iter().filter(|message| leads_to_admin(&message.target));
        let unseen: Vec<String> = unseen.map(|m| format!("{} ({})", target(m), raw(&m.method))).collect();
        assert!(unseen.is_empty(), "arrived late: {unseen:?}");
    }
}

fn judge(status: u16, arrived: &[Message]) -> Result<(), String> {
    if let Some(message) = arrived.iter().find(|message| leads_to_admin(&message.target)) {
        return Err(format!("arrived as {message}"));
    }
    match status {
        200 if arrived.len() == 1 => Ok(()),
        400 | 401 | 404 if arrived.is_empty() => Ok(()),
        _ => Err(format!("answered {status}, and {} arrived", arrived.len())),
    }
}

/// The same without the open API: what nobody declares is nobody's.
#[test]
fn without_an_open_neighbour_nothing_arrives_at_all() {
    let start = CONFIG.find("  open:").expect("the open API");
    let end = CONFIG.find("  secured:").expect("the secured API");
    let config = [&CONFIG[..start], &CONFIG[end..]].concat();
    let stage = Stage::with(&config);
    let mut findings = Findings::default();
    for path in spellings::all() {
        let response = Wire::Http1.send(stage.public(), &Request::get(&path));
        let fine = matches!(response.status, 400 | 401 | 404);
        let outcome = if fine { Ok(()) } else { Err(format!("{response:?}")) };
        findings.note(path.escape_ascii().to_string(), outcome);
    }
    findings.conclude(366);
    assert!(stage.backend.messages().is_empty(), "{:?}", stage.backend.messages());
}

/// The neighbours: plain paths go where they say, in one spelling.
#[test]
fn plain_paths_pass_in_one_spelling() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut findings = Findings::default();
        for (sent, arrives) in [
            ("/", "/"),
            ("/open", "/open"),
            ("/open/", "/open/"),
            ("/open/admin", "/open/admin"),
            ("/administrator", "/administrator"),
            ("/admins/x", "/admins/x"),
            ("/an-admin", "/an-admin"),
            ("/%61bc", "/abc"),
            ("/a%2Db%5Fc%2ed%7Ee", "/a-b_c.d~e"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%e6%97%a5%E6%9C%AC", "/%E6%97%A5%E6%9C%AC"),
            ("/100%25", "/100%25"),
            ("/.well-known/x", "/.well-known/x"),
            ("/..a", "/..a"),
            ("/a..b", "/a..b"),
            ("/a.", "/a."),
            ("/a:b", "/a:b"),
            ("/a@b", "/a@b"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/$metadata", "/$metadata"),
            ("/a,b(c)'d'!*+&=", "/a,b(c)'d'!*+&="),
            ("/x?y=/../admin", "/x?y=/../admin"),
            ("/x?y=%2e%2e%2fadmin", "/x?y=%2e%2e%2fadmin"),
            ("/x?//admin", "/x?//admin"),
            ("/~user/x", "/~user/x"),
        ] {
            findings.note(format!("{wire:?} {sent}"), arrives_as(&stage, *wire, sent, arrives));
        }
        findings.conclude(26);
        stage.expect_plain_backend_traffic();
    }
}

fn arrives_as(stage: &Stage, wire: Wire, sent: &str, arrives: &str) -> Result<(), String> {
    let mark: Mark = stage.backend.mark();
    let response = wire.send(stage.public(), &Request::get(sent));
    let targets: Vec<String> = stage.backend.since(mark).iter().map(Message::target).collect();
    if response.status == 200 && targets == [arrives] {
        Ok(())
    } else {
        Err(format!("answered {}, arrived as {targets:?}, not {arrives}", response.status))
    }
}

/// With the key `/admin` is reached, in its plain spellings, and only with it.
#[test]
fn the_key_opens_what_it_is_for() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        for path in ["/admin", "/admin/", "/admin/users", "/%61dmin/users", "/admin/%75sers", "/adm%69n"] {
            let response = wire.send(stage.public(), &Request::get(path));
            assert_eq!(response.status, 401, "{wire:?} {path}: {response:?}");
            assert!(response.text("www-authenticate").is_some(), "{response:?}");
            let response = wire.send(stage.public(), &Request::get(path).field(KEY_FIELD, "wrong"));
            assert_eq!(response.status, 401, "{wire:?} {path}: {response:?}");
            let response = wire.send(stage.public(), &Request::get(path).field(KEY_FIELD, KEY));
            assert_eq!(response.status, 200, "{wire:?} {path}: {response:?}");
        }
        let keys = stage.backend.messages().iter().filter(|m| !m.all(KEY_FIELD).is_empty()).count();
        assert_eq!(keys, 0, "the caller's key arrived");
        stage.expect_plain_backend_traffic();
    }
}
