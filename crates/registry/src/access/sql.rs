//! The statements of access control: tokens, scope maps, the signing key.

tidewaiter_db::statements! {
    INSERT_TOKEN = "
        INSERT INTO registry_tokens (name, scope_map, enabled, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO NOTHING";
    TOKEN = "
        SELECT name, scope_map, enabled, created_at, password1, password1_created_at, password1_expires_at,
            password2, password2_created_at, password2_expires_at
        FROM registry_tokens WHERE name = $1";
    TOKENS = "
        SELECT name, scope_map, enabled, created_at, password1, password1_created_at, password1_expires_at,
            password2, password2_created_at, password2_expires_at
        FROM registry_tokens ORDER BY name";
    TOKENS_OF_SCOPE_MAP = "SELECT name FROM registry_tokens WHERE scope_map = $1 ORDER BY name";
    DELETE_TOKEN = "DELETE FROM registry_tokens WHERE name = $1";
    SET_ENABLED = "UPDATE registry_tokens SET enabled = $2 WHERE name = $1";
    SET_SCOPE_MAP = "UPDATE registry_tokens SET scope_map = $2 WHERE name = $1";
    SET_PASSWORD1 = "
        UPDATE registry_tokens SET password1 = $2, password1_created_at = $3, password1_expires_at = $4
        WHERE name = $1";
    SET_PASSWORD2 = "
        UPDATE registry_tokens SET password2 = $2, password2_created_at = $3, password2_expires_at = $4
        WHERE name = $1";

    INSERT_SCOPE_MAP = "
        INSERT INTO registry_scope_maps (name, description, actions, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO NOTHING";
    SCOPE_MAP = "SELECT name, description, actions, created_at FROM registry_scope_maps WHERE name = $1";
    SCOPE_MAPS = "SELECT name, description, actions, created_at FROM registry_scope_maps ORDER BY name";
    UPDATE_SCOPE_MAP = "UPDATE registry_scope_maps SET description = $2, actions = $3 WHERE name = $1";
    DELETE_SCOPE_MAP = "DELETE FROM registry_scope_maps WHERE name = $1";

    INSERT_SECRET = "INSERT INTO registry_secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    SECRET = "SELECT secret FROM registry_secrets WHERE name = $1";
}
