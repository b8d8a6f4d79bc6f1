use super::{ConsumerRow, CredentialRow};

pub(in crate::store) fn row() -> ConsumerRow {
    ConsumerRow {
        name: "partner".to_owned(),
        apis: r#"["orders"]"#.to_owned(),
        created: 1,
        is_deleted: false,
        revision: 7,
        credentials: vec![CredentialRow {
            id: "k1".to_owned(),
            kind: "api_key".to_owned(),
            name: "00".repeat(32),
            password: None,
            scopes: r#"["read"]"#.to_owned(),
            addresses: "[]".to_owned(),
            with_certificate: None,
            not_before: None,
            expires: None,
            created: 1,
            used: None,
            revoked: None,
        }],
    }
}

/// What is left of a row that is not as it should be: how many credentials, and the reason.
fn check(spoil: impl FnOnce(&mut ConsumerRow), expected: Result<usize, &str>) {
    let mut row = row();
    spoil(&mut row);
    let (entry, refused) = row.entry();
    match expected {
        Ok(count) => {
            assert_eq!(refused, [], "{row:?}");
            assert_eq!(entry.credentials.len(), count, "{row:?}");
        }
        Err(reason) => {
            assert!(entry.credentials.is_empty(), "{row:?}");
            assert_eq!(refused.iter().map(|one| &*one.reason).collect::<Vec<_>>(), [reason], "{row:?}");
        }
    }
}

#[test]
fn a_row_that_is_not_understood_opens_nothing() {
    check(|_| {}, Ok(1));
    check(|row| row.is_deleted = true, Ok(0));
    check(|row| row.apis = r#"["*"]"#.to_owned(), Ok(1));
    check(|row| row.apis = r#"["*", "orders"]"#.to_owned(), Err("an API's name is none"));
    check(|row| row.apis = "[]".to_owned(), Err("it names no API"));
    check(|row| row.apis = "*".to_owned(), Err("its `apis` are no list"));
    check(|row| row.apis = "[1]".to_owned(), Err("its `apis` are no list"));
    check(|row| row.name = "a\nb".to_owned(), Err("its name is no name"));
    let first = |row: &mut ConsumerRow, spoil: fn(&mut CredentialRow)| spoil(&mut row.credentials[0]);
    check(|row| first(row, |key| key.revoked = Some(5)), Ok(0));
    check(|row| first(row, |key| key.kind = "token".to_owned()), Err("it is of a kind that is not known"));
    check(|row| first(row, |key| key.kind = "basic".to_owned()), Err("it is of a kind that is not known"));
    check(|row| first(row, |key| key.name = "00".to_owned()), Err("its key is no digest"));
    check(|row| first(row, |key| key.name = String::new()), Err("it is found by nothing"));
    check(|row| first(row, |key| key.id = String::new()), Err("its id is no name"));
    check(|row| first(row, |key| key.scopes = "read".to_owned()), Err("its scopes are no list"));
    check(|row| first(row, |key| key.scopes = r#"["a b"]"#.to_owned()), Err("a scope is none"));
    // A binding that cannot be read is not one that holds nowhere: the key is gone.
    check(|row| first(row, |key| key.addresses = r#"["10.0.0.1/8"]"#.to_owned()), Err("an address is none"));
    check(|row| first(row, |key| key.addresses = String::new()), Err("its addresses are no list"));
    check(
        |row| first(row, |key| key.with_certificate = Some("x".to_owned())),
        Err("its certificate is no digest"),
    );
    check(|row| first(row, |key| key.expires = Some(-1)), Err("a time is none"));
    let weak = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$MDEyMzQ1Njc4OWFiY2RlZg";
    let spoil = move |row: &mut ConsumerRow| {
        row.credentials[0].kind = "basic".to_owned();
        row.credentials[0].password = Some(weak.to_owned());
    };
    check(spoil, Err("its password is no hash of argon2id, or a weak one"));
}
