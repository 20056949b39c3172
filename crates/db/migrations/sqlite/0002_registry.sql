-- The embedded registry: which repositories there are, what they hold, and what happened to them.
-- Times are microseconds since 1970; digests are `algorithm:hex`.

CREATE TABLE registry_repositories (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Blobs that are stored. `object` is where in the blob store: every upload writes an object of its own name,
-- so that collecting garbage never touches a file that a later upload was told is there.
CREATE TABLE registry_blobs (
    digest TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    object TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which repositories show a blob. `seen_at` is when a client last uploaded, mounted or asked for it.
CREATE TABLE registry_links (
    repository_id INTEGER NOT NULL REFERENCES registry_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES registry_blobs (digest),
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX registry_links_digest ON registry_links (digest);

-- The bytes of manifests, once for all repositories that hold them.
CREATE TABLE registry_contents (
    digest TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- `referrer` is the descriptor that a list of referrers shows, as JSON; only manifests with a subject have it.
CREATE TABLE registry_manifests (
    repository_id INTEGER NOT NULL REFERENCES registry_repositories (id) ON DELETE CASCADE,
    digest TEXT NOT NULL REFERENCES registry_contents (digest),
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    artifact_type TEXT,
    subject TEXT,
    referrer BLOB,
    config_media_type TEXT,
    image_size INTEGER NOT NULL,
    architecture TEXT,
    os TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX registry_manifests_digest ON registry_manifests (digest);
CREATE INDEX registry_manifests_subject ON registry_manifests (repository_id, subject, created_at, digest)
    WHERE subject IS NOT NULL;

-- What a manifest points at: blobs, or the manifests of an index.
CREATE TABLE registry_references (
    repository_id INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (repository_id, manifest, target),
    FOREIGN KEY (repository_id, manifest) REFERENCES registry_manifests (repository_id, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX registry_references_target ON registry_references (repository_id, target);

CREATE TABLE registry_tags (
    repository_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, digest) REFERENCES registry_manifests (repository_id, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX registry_tags_digest ON registry_tags (repository_id, digest);

-- The outbox: one row per push and delete of a manifest or tag, written in the transaction that did it.
-- `request` is what the client sent of itself, as JSON.
CREATE TABLE registry_events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    request TEXT
) STRICT;

-- How far each reader of the outbox has come.
CREATE TABLE registry_cursors (
    reader TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `actions` is a JSON list of `repositories/<name or *>/<content or metadata>/<verb>`.
CREATE TABLE registry_scope_maps (
    name TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    actions TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE registry_tokens (
    name TEXT PRIMARY KEY,
    scope_map TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    password1 TEXT,
    password1_expires_at INTEGER,
    password2 TEXT,
    password2_expires_at INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys the registry signs its bearer tokens with.
CREATE TABLE registry_secrets (
    name TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;
