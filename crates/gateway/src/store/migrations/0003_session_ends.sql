-- Login sessions that ended before their time. Times are seconds since 1970.
ALTER TABLE portcullis_store ADD COLUMN ends BIGINT NOT NULL DEFAULT 0;

-- `revision` is `portcullis_store.ends` at the last write: nodes ask for what is newer than what they have.
CREATE TABLE portcullis_session_ends (
    name TEXT PRIMARY KEY,
    begun_until BIGINT NOT NULL,
    counts_until BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX portcullis_session_ends_by_revision ON portcullis_session_ends (revision, name);
