-- What a registry holds beside images: signatures, attestations, SBOMs, charts, models.
-- `role` is what people call it; `states` the roles of what an attestation states, separated by commas.
CREATE TABLE artifacts (
    digest TEXT NOT NULL PRIMARY KEY,
    artifact_type TEXT NOT NULL,
    role TEXT NOT NULL,
    states TEXT NOT NULL,
    size BIGINT NOT NULL,
    pushed_at BIGINT NOT NULL
);

-- An artifact speaks of an image or of another manifest.
CREATE TABLE artifact_subjects (
    artifact_digest TEXT NOT NULL,
    subject_digest TEXT NOT NULL,
    PRIMARY KEY (artifact_digest, subject_digest)
);
CREATE INDEX artifact_subjects_by_subject ON artifact_subjects (subject_digest);

-- Indexes of images, also those in which no image is found.
CREATE TABLE indexes (
    digest TEXT NOT NULL PRIMARY KEY,
    pushed_at BIGINT NOT NULL
);

-- Earlier versions took some of these for images that cannot be read. Everything is looked at once more; what is
-- analysed already stays so.
INSERT INTO jobs (kind, dedup_key, payload, priority, due_at, claims, attempts, max_attempts, again, dead, created_at)
    SELECT 'resolve', repository || '@' || digest,
        '{"repository":"' || repository || '","digest":"' || digest || '"}', 0, 0, 0, 0, 10, 0, 0, 0
    FROM placements WHERE registry = 'embedded'
    ON CONFLICT DO NOTHING;
