use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Found, Vault};
use crate::clock;
use crate::secret::Secret;

/// The secret of every node, unless it is told another.
pub(crate) const SECRET: &str = "a secret of thirty-two bytes or so";

/// What a store keeps for several nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored(Arc<Mutex<HashMap<Box<str>, Arc<str>>>>);

impl Stored {
    /// A node whose changes are made here.
    pub(crate) fn node(&self, secrets: &[&str], state: Option<&tempfile::TempDir>) -> Arc<Vault> {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        let vault = Arc::new(Vault::new(&secrets, state.map(tempfile::TempDir::path)));
        let mut inbox = vault.inbox().expect("the first to ask");
        let (own, stored) = (Arc::downgrade(&vault), self.clone());
        thread::spawn(move || {
            while let Some(write) = inbox.blocking_recv() {
                let outcome = {
                    let mut texts = stored.0.lock().expect("no panic");
                    let changed = (write.change)(texts.get(&*write.name).map(|text| &**text), clock::wall());
                    changed.map(|text| drop(text.map(|text| texts.insert(write.name.into(), text.into()))))
                };
                if let (Ok(()), Some(vault)) = (&outcome, own.upgrade()) {
                    stored.feed(&vault);
                }
                let _ = write.answer.try_send(outcome);
            }
        });
        vault
    }

    /// Tells a node what is kept.
    pub(crate) fn feed(&self, vault: &Vault) {
        let texts = self.0.lock().expect("no panic").clone();
        vault.fed(Some(texts), clock::now(), clock::wall());
    }

    pub(crate) fn texts(&self) -> HashMap<Box<str>, Arc<str>> {
        self.0.lock().expect("no panic").clone()
    }

    pub(crate) fn set(&self, texts: HashMap<Box<str>, Arc<str>>) {
        *self.0.lock().expect("no panic") = texts;
    }
}

fn put(vault: &Arc<Vault>, name: &str, text: &'static str) {
    vault.change(name, Box::new(move |_, _| Ok(Some(text.to_owned())))).expect("a change");
}

fn text(vault: &Vault, name: &str) -> Option<String> {
    match vault.read(name).expect("it can be opened") {
        Found::Text(text, _) => Some(text.to_string()),
        Found::Nothing(_) | Found::Unknown => None,
    }
}

#[test]
fn what_one_node_writes_another_reads_and_nobody_else() {
    let stored = Stored::default();
    let (one, two) = (stored.node(&[SECRET], None), stored.node(&[SECRET], None));
    assert!(matches!(one.read("keys"), Ok(Found::Unknown)));
    put(&one, "keys", "a text that must not be seen");
    assert!(!stored.texts()["keys"].contains("text"));
    stored.feed(&two);
    assert_eq!(text(&two, "keys").as_deref(), Some("a text that must not be seen"));
    assert_eq!(text(&two, "others"), None);
    let stranger = stored.node(&["another secret of thirty-two bytes"], None);
    stored.feed(&stranger);
    assert!(stranger.read("keys").is_err());
    assert!(
        stranger.change("keys", Box::new(|_, _| Ok(Some("mine".to_owned())))).is_err(),
        "nothing is overwritten"
    );
    // A text under another's name is none.
    let sealed = Arc::clone(&stored.texts()["keys"]);
    stored.set(HashMap::from([("others".into(), sealed)]));
    stored.feed(&two);
    assert!(two.read("others").is_err());
}

#[test]
fn a_change_sees_what_is_kept_and_may_leave_it() {
    let stored = Stored::default();
    let (one, two) = (stored.node(&[SECRET], None), stored.node(&[SECRET], None));
    let append = |vault: &Arc<Vault>, word: &'static str| {
        let change = move |kept: Option<&[u8]>, _| {
            let kept = String::from_utf8_lossy(kept.unwrap_or_default()).into_owned();
            Ok((!kept.contains(word)).then(|| kept + word))
        };
        vault.change("keys", Box::new(change)).expect("a change");
    };
    for _ in 0..2 {
        append(&one, "one ");
        append(&two, "two ");
    }
    assert_eq!(text(&two, "keys").as_deref(), Some("one two "));
    one.away("it is gone");
    assert!(one.change("keys", Box::new(|_, _| Ok(None))).is_err_and(|why| why.contains("it is gone")));
    assert_eq!(text(&one, "keys").as_deref(), Some("one two "), "what is known stays known");
}

#[test]
fn secrets_are_changed_without_losing_what_is_kept() {
    const NEW: &str = "a newer secret of thirty-two bytes";
    let stored = Stored::default();
    put(&stored.node(&[SECRET], None), "keys", "kept");
    // Added behind, then put in front.
    for secrets in [[SECRET, NEW], [NEW, SECRET]] {
        let node = stored.node(&secrets, None);
        stored.feed(&node);
        node.seal_anew("keys").expect("sealed");
        assert_eq!(text(&node, "keys").as_deref(), Some("kept"));
    }
    let last = stored.node(&[NEW], None);
    stored.feed(&last);
    assert_eq!(text(&last, "keys").as_deref(), Some("kept"));
}

#[test]
fn a_copy_is_there_when_the_store_is_not() {
    let (stored, folder) = (Stored::default(), tempfile::tempdir().expect("a folder"));
    put(&stored.node(&[SECRET], Some(&folder)), "login corp", "kept");
    let file = folder.path().join("shared/login-corp.sealed");
    assert!(!fs::read_to_string(&file).expect("a copy").contains("kept"));
    let again = Vault::new(&[Secret::new(SECRET)], Some(folder.path()));
    assert_eq!(text(&again, "login corp").as_deref(), Some("kept"));
    assert!(again.heard().is_some_and(|heard| heard.silence() < Duration::from_secs(60)));
    // How long ago that was is remembered.
    let copy = fs::read_to_string(&file).expect("a copy");
    let (_, rest) = copy.split_once(' ').expect("a time");
    fs::write(&file, format!("{} {rest}", clock::wall().as_secs() - 5_000)).expect("written");
    let again = Vault::new(&[Secret::new(SECRET)], Some(folder.path()));
    assert!(again.heard().is_some_and(|heard| heard.silence() >= Duration::from_secs(5_000)));
    fs::write(&file, &copy.as_bytes()[..copy.len() / 2]).expect("written");
    assert!(matches!(
        Vault::new(&[Secret::new(SECRET)], Some(folder.path())).read("login corp"),
        Ok(Found::Unknown)
    ));
}
