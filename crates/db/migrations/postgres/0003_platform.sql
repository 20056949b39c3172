-- What the platform knows of images: where they are, what they hold, what is wrong with it.
-- Times are microseconds since the epoch.

-- How far each reader of a stream of events has come.
CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);

-- A manifest is in a repository.
CREATE TABLE placements (
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    PRIMARY KEY (registry, repository, digest)
);
CREATE INDEX placements_by_digest ON placements (digest);

-- A tag names a manifest in a repository.
CREATE TABLE image_tags (
    registry TEXT NOT NULL,
    repository TEXT NOT NULL,
    tag TEXT NOT NULL,
    digest TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (registry, repository, tag)
);
CREATE INDEX image_tags_by_digest ON image_tags (digest);

-- An index lists an image.
CREATE TABLE index_members (
    index_digest TEXT NOT NULL,
    image_digest TEXT NOT NULL,
    PRIMARY KEY (index_digest, image_digest)
);
CREATE INDEX index_members_by_image ON index_members (image_digest);

-- An image of one platform. `state` is pending, analysed or failed; `failure` says why it failed.
CREATE TABLE images (
    digest TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    failure TEXT,
    platform TEXT NOT NULL,
    distro TEXT,
    size BIGINT NOT NULL,
    problems TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    analysed_at BIGINT
);

-- A component in the setting that decides its verdicts (its distribution, its owner), once for all images.
-- `identity` is the SHA-256 of `subject`; `fingerprint` tells which advisory records were looked at.
CREATE TABLE components (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    judged_with TEXT,
    fingerprint TEXT
);
CREATE INDEX components_by_judged_with ON components (judged_with);

CREATE TABLE image_components (
    image_digest TEXT NOT NULL REFERENCES images (digest) ON DELETE CASCADE,
    component_id BIGINT NOT NULL REFERENCES components (id),
    evidence TEXT NOT NULL,
    PRIMARY KEY (image_digest, component_id)
);
CREATE INDEX image_components_by_component ON image_components (component_id);

-- What the advisories say of a component; `finding` is the finding as JSON.
CREATE TABLE verdicts (
    component_id BIGINT NOT NULL REFERENCES components (id) ON DELETE CASCADE,
    advisory_id TEXT NOT NULL,
    severity TEXT NOT NULL,
    suppressed BIGINT NOT NULL,
    finding TEXT NOT NULL,
    PRIMARY KEY (component_id, advisory_id)
);

-- What became different, and why: `cause` is analysis or advisories.
CREATE TABLE changes (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    image_digest TEXT,
    component_id BIGINT,
    advisory_id TEXT,
    database_id TEXT,
    detail TEXT
);

-- One-time login links and browser sessions, by the SHA-256 of their secret.
CREATE TABLE login_links (
    hash TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE TABLE sessions (
    hash TEXT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
