-- When the passwords of a token were made.
ALTER TABLE registry_tokens ADD COLUMN password1_created_at INTEGER;
ALTER TABLE registry_tokens ADD COLUMN password2_created_at INTEGER;

CREATE INDEX registry_tokens_scope_map ON registry_tokens (scope_map);

-- Addresses that the registry's events are posted to. `actions` is a JSON list, `headers` a JSON object.
-- `due_at` is when the next delivery may start or, while `owner` has it, when the owner is taken for dead.
-- `failing_since` is when the delivery that is tried again was tried first.
CREATE TABLE registry_webhooks (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    format TEXT NOT NULL,
    actions TEXT NOT NULL,
    scope TEXT NOT NULL,
    headers TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    validated INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    owner TEXT,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failing_since INTEGER,
    last_error TEXT,
    delivered_at INTEGER
) STRICT, WITHOUT ROWID;
