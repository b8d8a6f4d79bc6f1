-- Who may call, for SQLite and PostgreSQL alike. Times are seconds since 1970; lists are JSON arrays of texts.

-- One row: whose store this is, which migrations it has seen, how many writes.
CREATE TABLE portcullis_store (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

-- `revision` is that of the last write to the consumer or one of its credentials: nodes ask for what is newer than what they have.
-- A deleted consumer stays, without credentials, so that they learn of it.
CREATE TABLE portcullis_consumers (
    name TEXT PRIMARY KEY,
    apis TEXT NOT NULL,
    created BIGINT NOT NULL,
    deleted BIGINT,
    revision BIGINT NOT NULL
);
CREATE INDEX portcullis_consumers_by_revision ON portcullis_consumers (revision);

-- `name` is what the credential is found by: a key's SHA-256, a user, a name in a certificate.
CREATE TABLE portcullis_credentials (
    consumer TEXT NOT NULL REFERENCES portcullis_consumers (name),
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT,
    scopes TEXT NOT NULL,
    addresses TEXT NOT NULL,
    with_certificate TEXT,
    not_before BIGINT,
    expires BIGINT,
    created BIGINT NOT NULL,
    used BIGINT,
    revoked BIGINT,
    PRIMARY KEY (consumer, id)
);
CREATE UNIQUE INDEX portcullis_credentials_by_name ON portcullis_credentials (kind, name) WHERE revoked IS NULL;

-- Every write, once. `was` and `became` show the object without anything secret; `revision_before` is that of its consumer.
CREATE TABLE portcullis_audit (
    revision BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    consumer TEXT NOT NULL,
    credential TEXT,
    revision_before BIGINT,
    was TEXT,
    became TEXT
);
