-- When the passwords of a token were made.
ALTER TABLE registry_tokens ADD COLUMN password1_created_at BIGINT;
ALTER TABLE registry_tokens ADD COLUMN password2_created_at BIGINT;

CREATE INDEX registry_tokens_scope_map ON registry_tokens (scope_map);
