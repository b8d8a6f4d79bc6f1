//! The store over SQLite, in this process. That PostgreSQL does the same is for `tests/it/store.rs`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Command, Fed, Place, Store, StoreError, StoreState};
use crate::callers::{Callers, Directory, Scene, peer_in_tests};
use portcullis_identity::sha256::digest;

struct Stage {
    folder: tempfile::TempDir,
    store: Store,
    callers: Arc<Callers>,
    directory: Directory,
}

impl Stage {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: tempfile::TempDir) -> Self {
        let callers = Arc::new(Callers::default());
        let place = Place::Sqlite(folder.path().join("portcullis.db"));
        let state = Some(folder.path().to_owned());
        let fed = Fed { callers: Arc::clone(&callers), ..Fed::default() };
        let store = Store::start(place, state, fed, Arc::default()).unwrap();
        let directory = Directory::new(Callers::default(), Arc::clone(&callers));
        Self { folder, store, callers, directory }
    }

    async fn ask(&self, command: Command) -> Result<Value, StoreError> {
        self.store.ask(command, "tester").await
    }

    async fn put(&self, name: &str, apis: &[&str]) -> Result<Value, StoreError> {
        let grant = serde_json::from_value(json!({ "apis": apis })).unwrap();
        self.ask(Command::Put { name: name.to_owned(), grant, must_be_new: true }).await
    }

    async fn add(&self, consumer: &str, new: Value) -> Result<Value, StoreError> {
        self.ask(Command::Add(consumer.to_owned(), serde_json::from_value(new).unwrap())).await
    }

    fn asked(&self, key: &str) -> Result<String, &'static str> {
        let peer = peer_in_tests();
        let scene = Scene { client: peer.ip(), peer: &peer, now: crate::clock::wall() };
        let proof = self.directory.by_key(&digest(key.as_bytes()), &scene);
        proof.map(|proof| proof.credential.to_string()).map_err(super::super::callers::Unproven::as_str)
    }
}

#[tokio::test]
async fn a_key_lives_from_its_making_to_its_revocation() {
    let stage = Stage::start();
    assert_eq!(stage.ask(Command::List { after: String::new() }).await, Ok(json!([])));
    assert!(!stage.folder.path().join("portcullis.db").exists(), "nobody has written");
    stage.put("partner", &["orders"]).await.unwrap();
    assert!(matches!(stage.put("partner", &["orders"]).await, Err(StoreError::Conflict(_))));
    let made = stage.add("partner", json!({ "kind": "api_key", "scopes": ["read"] })).await.unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(stage.asked(&key).as_deref(), Ok("api_key.1"));
    let rotate = Command::Rotate {
        consumer: "partner".to_owned(),
        id: "api_key.1".to_owned(),
        overlap: Duration::from_secs(3600),
    };
    let rotated = stage.ask(rotate).await.unwrap();
    let second = rotated["key"].as_str().unwrap().to_owned();
    assert_eq!(rotated["scopes"], json!(["read"]));
    assert_eq!(
        (stage.asked(&key).as_deref(), stage.asked(&second).as_deref()),
        (Ok("api_key.1"), Ok("api_key.2"))
    );
    stage.ask(Command::Revoke("partner".to_owned(), "api_key.2".to_owned())).await.unwrap();
    assert_eq!(stage.asked(&second), Err("unknown"));
    let past = serde_json::from_value(json!({ "expires": "2020-01-01" })).unwrap();
    stage.ask(Command::Expire("partner".to_owned(), "api_key.1".to_owned(), past)).await.unwrap();
    assert_eq!(stage.asked(&key), Err("expired"));
    let shown = stage.ask(Command::Show("partner".to_owned())).await.unwrap();
    assert!(!shown.to_string().contains("pcl_"), "{shown}");
    assert!(shown["credentials"][0]["last_used"].is_null());
    stage.ask(Command::Delete("partner".to_owned())).await.unwrap();
    assert_eq!(stage.asked(&key), Err("unknown"));
    let audit = stage.ask(Command::Audit { before: None }).await.unwrap();
    let actions: Vec<&str> =
        audit.as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    let expected = [
        "consumer.delete",
        "credential.expire",
        "credential.revoke",
        "credential.rotate",
        "credential.create",
        "consumer.create",
    ];
    assert_eq!(actions, expected);
    assert_eq!((&audit[0]["who"], &audit[0]["revision"]), (&json!("tester"), &json!(6)));
    assert_eq!(audit[0]["revision_before"], json!(5));
    assert!(!audit.to_string().contains("pcl_"), "{audit}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let stage = Stage::start();
    stage.put("partner", &["orders"]).await.unwrap();
    let invalid = |outcome: Result<Value, StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Invalid(_))), "{outcome:?}")
    };
    invalid(stage.put("a b", &["orders"]).await);
    invalid(stage.put("other", &[]).await);
    invalid(stage.put("other", &["*", "orders"]).await);
    invalid(stage.add("partner", json!({ "kind": "api_key", "scopes": ["a b"] })).await);
    invalid(stage.add("partner", json!({ "kind": "api_key", "name": "x" })).await);
    invalid(stage.add("partner", json!({ "kind": "basic", "name": "ann", "password": "short" })).await);
    invalid(
        stage
            .add("partner", json!({ "kind": "basic", "name": "a:b", "password": "long enough to be one" }))
            .await,
    );
    let backwards = json!({ "kind": "api_key", "not_before": "2030-01-02", "expires": "2030-01-01" });
    invalid(stage.add("partner", backwards).await);
    let missing = stage.add("nobody", json!({ "kind": "api_key" })).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))), "{missing:?}");
    let ann = json!({ "kind": "basic", "name": "ann", "password": "correct horse battery" });
    stage.add("partner", ann.clone()).await.unwrap();
    let twice = stage.add("partner", ann).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    assert!(stage.directory.by_user("ann").unwrap().password_hash().unwrap().starts_with("$argon2id$"));
    let audit = stage.ask(Command::Audit { before: None }).await.unwrap();
    assert_eq!(audit.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_node_begins_by_its_last_good_copy_and_a_database_that_is_none_changes_nothing() {
    let stage = Stage::start();
    stage.put("partner", &["orders"]).await.unwrap();
    let made = stage.add("partner", json!({ "kind": "api_key" })).await.unwrap();
    let key = made["key"].as_str().unwrap().to_owned();
    let Stage { folder, store, .. } = stage;
    drop(store);
    std::fs::write(
        folder.path().join("portcullis.db"),
        "this is no database, and long enough to be told from one".repeat(40),
    )
    .unwrap();
    let stage = Stage::start_in(folder);
    assert_eq!(stage.asked(&key).as_deref(), Ok("api_key.1"));
    assert!(matches!(stage.put("other", &["orders"]).await, Err(StoreError::Away(_))));
    let facts = stage.store.facts();
    assert_eq!((facts.state, facts.from_copy, facts.consumers), (StoreState::Away, true, 1));
    assert_eq!(stage.asked(&key).as_deref(), Ok("api_key.1"));
    assert_eq!(stage.callers.consumers(), 1);
}
