-- Secrets that all nodes share, each a text under a name, sealed under a secret of the configuration.
ALTER TABLE portcullis_store ADD COLUMN secrets BIGINT NOT NULL DEFAULT 0;

-- `portcullis_store.secrets` counts the writes.
CREATE TABLE portcullis_secrets (
    name TEXT PRIMARY KEY,
    sealed TEXT NOT NULL
);
