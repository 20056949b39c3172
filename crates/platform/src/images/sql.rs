//! Statements about images, where they are and what they hold.

tidewaiter_db::statements! {
    /// A manifest is in a repository.
    PLACE = "INSERT INTO placements (registry, repository, digest, media_type, pushed_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (registry, repository, digest) DO UPDATE SET pushed_at = excluded.pushed_at";
    /// A manifest has left a repository.
    REMOVE_PLACEMENT = "DELETE FROM placements WHERE registry = $1 AND repository = $2 AND digest = $3";
    /// A tag names a manifest.
    TAG = "INSERT INTO image_tags (registry, repository, tag, digest, updated_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (registry, repository, tag)
        DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at";
    /// A tag is gone.
    REMOVE_TAG = "DELETE FROM image_tags WHERE registry = $1 AND repository = $2 AND tag = $3";
    /// All tags of a manifest are gone.
    REMOVE_TAGS_OF = "DELETE FROM image_tags WHERE registry = $1 AND repository = $2 AND digest = $3";
    /// An index lists an image.
    ADD_MEMBER = "INSERT INTO index_members (index_digest, image_digest) VALUES ($1, $2)
        ON CONFLICT (index_digest, image_digest) DO NOTHING";
    /// An image that waits for its analysis; one that is known stays as it is.
    ADD_IMAGE = "INSERT INTO images (digest, state, platform, size, problems, pushed_at)
        VALUES ($1, 'pending', $2, $3, '[]', $4)
        ON CONFLICT (digest) DO UPDATE SET pushed_at = excluded.pushed_at";
    /// The state of an image.
    STATE = "SELECT state FROM images WHERE digest = $1";
    /// An image that failed before waits for its next analysis.
    SET_PENDING = "UPDATE images SET state = 'pending', failure = NULL WHERE digest = $1";
    /// The analysis has ended well.
    SET_ANALYSED = "UPDATE images SET state = 'analysed', failure = NULL, platform = $2, distro = $3, size = $4,
        problems = $5, analysed_at = $6 WHERE digest = $1";
    /// The analysis has failed for good.
    SET_FAILED = "UPDATE images SET state = 'failed', failure = $2, analysed_at = $3 WHERE digest = $1";
    /// What an image held before is forgotten.
    CLEAR_COMPONENTS = "DELETE FROM image_components WHERE image_digest = $1";
    /// A component, once for all images.
    ADD_COMPONENT = "INSERT INTO components (identity, subject) VALUES ($1, $2)
        ON CONFLICT (identity) DO UPDATE SET subject = excluded.subject RETURNING id";
    /// An image holds a component.
    ADD_IMAGE_COMPONENT = "INSERT INTO image_components (image_digest, component_id, evidence)
        VALUES ($1, $2, $3) ON CONFLICT (image_digest, component_id) DO UPDATE SET evidence = excluded.evidence";
    /// Images that no repository holds any more, neither by themselves nor through an index.
    DROP_UNPLACED_IMAGES = "DELETE FROM images WHERE NOT EXISTS (
            SELECT 1 FROM placements WHERE placements.digest = images.digest)
        AND NOT EXISTS (
            SELECT 1 FROM index_members JOIN placements ON placements.digest = index_members.index_digest
            WHERE index_members.image_digest = images.digest)";
    /// Members of indexes that no repository holds any more.
    DROP_UNPLACED_MEMBERS = "DELETE FROM index_members WHERE NOT EXISTS (
        SELECT 1 FROM placements WHERE placements.digest = index_members.index_digest)";
    /// What was taken for an image is none.
    DROP_IMAGE = "DELETE FROM images WHERE digest = $1";
    /// An artifact.
    ADD_ARTIFACT = "INSERT INTO artifacts (digest, artifact_type, role, states, size, pushed_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (digest) DO UPDATE SET artifact_type = excluded.artifact_type, role = excluded.role,
            states = excluded.states, pushed_at = excluded.pushed_at";
    /// An artifact speaks of a manifest.
    ADD_SUBJECT = "INSERT INTO artifact_subjects (artifact_digest, subject_digest) VALUES ($1, $2)
        ON CONFLICT (artifact_digest, subject_digest) DO NOTHING";
    /// An index of images.
    ADD_INDEX = "INSERT INTO indexes (digest, pushed_at) VALUES ($1, $2)
        ON CONFLICT (digest) DO UPDATE SET pushed_at = excluded.pushed_at";
    /// The tags of a manifest in a repository.
    TAGS_OF = "SELECT tag FROM image_tags WHERE registry = $1 AND repository = $2 AND digest = $3";
    /// Artifacts that no repository holds any more.
    DROP_UNPLACED_ARTIFACTS = "DELETE FROM artifacts WHERE NOT EXISTS (
        SELECT 1 FROM placements WHERE placements.digest = artifacts.digest)";
    /// What such artifacts spoke of. An index may name an artifact before it arrives.
    DROP_UNPLACED_SUBJECTS = "DELETE FROM artifact_subjects WHERE NOT EXISTS (
            SELECT 1 FROM placements WHERE placements.digest = artifact_digest)
        AND NOT EXISTS (SELECT 1 FROM placements WHERE placements.digest = subject_digest)";
    /// Indexes that no repository holds any more.
    DROP_UNPLACED_INDEXES = "DELETE FROM indexes WHERE NOT EXISTS (
        SELECT 1 FROM placements WHERE placements.digest = indexes.digest)";
    /// All artifacts, the newest push first.
    ARTIFACTS = "SELECT digest, artifact_type, role, states, size, pushed_at FROM artifacts
        ORDER BY pushed_at DESC, digest";
    /// The artifacts that speak of a manifest.
    ARTIFACTS_OF = "SELECT digest, artifact_type, role, states, size, pushed_at FROM artifacts
        JOIN artifact_subjects ON artifact_digest = digest WHERE subject_digest = $1
        ORDER BY pushed_at DESC, digest";
    /// What all artifacts speak of.
    SUBJECTS = "SELECT artifact_digest, subject_digest FROM artifact_subjects ORDER BY 1, 2";
    /// The indexes that list each image, the newest push first.
    INDEXES = "SELECT image_digest, index_digest FROM index_members
        JOIN indexes ON indexes.digest = index_digest ORDER BY image_digest, indexes.pushed_at DESC, index_digest";
    /// Indexes that list no image.
    EMPTY_INDEXES = "SELECT digest, pushed_at FROM indexes WHERE NOT EXISTS (
        SELECT 1 FROM index_members JOIN images ON images.digest = image_digest
        WHERE index_digest = indexes.digest) ORDER BY pushed_at DESC, digest";
    /// Components that no image holds any more.
    DROP_UNUSED_COMPONENTS = "DELETE FROM components WHERE NOT EXISTS (
        SELECT 1 FROM image_components WHERE image_components.component_id = components.id)";
    /// All images, the newest push first.
    LIST = "SELECT digest, state, failure, platform, distro, size, problems, pushed_at, analysed_at,
            (SELECT COUNT(*) FROM image_components WHERE image_digest = images.digest),
            (SELECT COUNT(*) FROM image_components JOIN components ON components.id = component_id
                WHERE image_digest = images.digest AND judged_with IS NULL)
        FROM images ORDER BY pushed_at DESC, digest";
    /// One image.
    ONE = "SELECT digest, state, failure, platform, distro, size, problems, pushed_at, analysed_at,
            (SELECT COUNT(*) FROM image_components WHERE image_digest = images.digest),
            (SELECT COUNT(*) FROM image_components JOIN components ON components.id = component_id
                WHERE image_digest = images.digest AND judged_with IS NULL)
        FROM images WHERE digest = $1";
    /// The names by which images can be pulled: their own tags, and those of indexes that list them.
    NAMES = "SELECT digest, registry, repository, tag FROM image_tags
        UNION SELECT image_digest, registry, repository, tag
            FROM image_tags JOIN index_members ON index_digest = image_tags.digest
        ORDER BY 1, 2, 3, 4";
    /// The repositories images are in, tagged or not.
    REPOSITORIES = "SELECT digest, registry, repository FROM placements ORDER BY 1, 2, 3";
    /// How many findings of each severity each image has.
    COUNTS = "SELECT image_digest, severity, COUNT(*) FROM image_components
        JOIN verdicts ON verdicts.component_id = image_components.component_id
        WHERE suppressed = 0 GROUP BY image_digest, severity";
    /// The findings of an image: the finding, the component and where it is.
    FINDINGS = "SELECT verdicts.finding, components.subject, image_components.evidence FROM image_components
        JOIN components ON components.id = image_components.component_id
        JOIN verdicts ON verdicts.component_id = image_components.component_id
        WHERE image_digest = $1 AND suppressed = 0";
}
