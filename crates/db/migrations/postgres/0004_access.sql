-- When the passwords of a token were made.
ALTER TABLE registry_tokens ADD COLUMN password1_created_at BIGINT;
ALTER TABLE registry_tokens ADD COLUMN password2_created_at BIGINT;

CREATE INDEX registry_tokens_scope_map ON registry_tokens (scope_map);

-- Addresses that the registry's events are posted to. `actions` is a JSON list, `headers` a JSON object.
-- `due_at` is when the next delivery may start or, while `owner` has it, when the owner is taken for dead.
-- `failing_since` is when the delivery that is tried again was tried first.
CREATE TABLE registry_webhooks (
    name TEXT COLLATE "C" PRIMARY KEY,
    url TEXT COLLATE "C" NOT NULL,
    format TEXT COLLATE "C" NOT NULL,
    actions TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    headers TEXT COLLATE "C" NOT NULL,
    enabled BIGINT NOT NULL,
    validated BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    owner TEXT COLLATE "C",
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    failing_since BIGINT,
    last_error TEXT COLLATE "C",
    delivered_at BIGINT
);
