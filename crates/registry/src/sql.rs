//! Every statement of the registry. A test prepares them on both engines.

tidewaiter_db::statements! {
    // Repositories.
    ENSURE_REPOSITORY = "
        INSERT INTO registry_repositories (name, created_at, updated_at) VALUES ($1, $2, $2)
        ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at RETURNING id";
    REPOSITORY = "SELECT id FROM registry_repositories WHERE name = $1";
    // A repository begins again with its first manifest.
    BEGIN_REPOSITORY = "
        UPDATE registry_repositories SET created_at = $2, had_manifests = 1 WHERE id = $1
        AND NOT EXISTS (SELECT 1 FROM registry_manifests WHERE repository_id = $1)";
    TOUCH_REPOSITORY = "UPDATE registry_repositories SET updated_at = $2 WHERE id = $1";
    // Repositories that hold nothing but blobs are not shown.
    CATALOG = "
        SELECT r.name FROM registry_repositories AS r WHERE r.name > $1
        AND EXISTS (SELECT 1 FROM registry_manifests AS m WHERE m.repository_id = r.id)
        ORDER BY r.name LIMIT $2";

    // Blobs.
    BLOB = "
        SELECT b.size, b.object, l.seen_at, r.id FROM registry_repositories AS r
        JOIN registry_links AS l ON l.repository_id = r.id AND l.digest = $2
        JOIN registry_blobs AS b ON b.digest = l.digest
        WHERE r.name = $1";
    BLOB_OBJECT = "SELECT size, object FROM registry_blobs WHERE digest = $1";
    INSERT_BLOB = "
        INSERT INTO registry_blobs (digest, size, object, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (digest) DO UPDATE SET object = excluded.object";
    LINK = "
        INSERT INTO registry_links (repository_id, digest, seen_at) VALUES ($1, $2, $3)
        ON CONFLICT (repository_id, digest) DO UPDATE SET seen_at = excluded.seen_at";
    SEEN = "UPDATE registry_links SET seen_at = $3 WHERE repository_id = $1 AND digest = $2";
    UNLINK = "
        DELETE FROM registry_links WHERE digest = $2
        AND repository_id = (SELECT id FROM registry_repositories WHERE name = $1)";
    HOLDERS = "
        SELECT r.name FROM registry_links AS l JOIN registry_repositories AS r ON r.id = l.repository_id
        WHERE l.digest = $1 ORDER BY r.id LIMIT $2";

    // Manifests. Lists of digests come as one JSON text.
    MISSING_BLOBS = sqlite "
        SELECT value FROM json_each($2)
        WHERE value NOT IN (SELECT digest FROM registry_links WHERE repository_id = $1) LIMIT 20",
    postgres "
        SELECT value FROM json_array_elements_text(CAST($2 AS json)) AS value
        WHERE value NOT IN (SELECT digest FROM registry_links WHERE repository_id = $1) LIMIT 20";
    MISSING_MANIFESTS = sqlite "
        SELECT value FROM json_each($2)
        WHERE value NOT IN (SELECT digest FROM registry_manifests WHERE repository_id = $1)
        AND value NOT IN (SELECT digest FROM registry_links WHERE repository_id = $1) LIMIT 20",
    postgres "
        SELECT value FROM json_array_elements_text(CAST($2 AS json)) AS value
        WHERE value NOT IN (SELECT digest FROM registry_manifests WHERE repository_id = $1)
        AND value NOT IN (SELECT digest FROM registry_links WHERE repository_id = $1) LIMIT 20";
    INSERT_REFERENCES = sqlite "
        INSERT INTO registry_references (repository_id, manifest, target)
        SELECT DISTINCT $1, $2, value FROM json_each($3) WHERE true ON CONFLICT DO NOTHING",
    postgres "
        INSERT INTO registry_references (repository_id, manifest, target)
        SELECT DISTINCT CAST($1 AS bigint), $2, value FROM json_array_elements_text(CAST($3 AS json)) AS value
        ON CONFLICT DO NOTHING";
    INSERT_CONTENT = "INSERT INTO registry_contents (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    INSERT_MANIFEST = "
        INSERT INTO registry_manifests (repository_id, digest, media_type, size, artifact_type, subject, referrer,
            config_media_type, image_size, architecture, os, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
        ON CONFLICT (repository_id, digest) DO UPDATE SET updated_at = excluded.updated_at";
    MANIFEST_BY_TAG = "
        SELECT m.digest, m.media_type, m.size FROM registry_repositories AS r
        JOIN registry_tags AS t ON t.repository_id = r.id AND t.name = $2
        JOIN registry_manifests AS m ON m.repository_id = r.id AND m.digest = t.digest
        WHERE r.name = $1";
    MANIFEST_BY_DIGEST = "
        SELECT m.digest, m.media_type, m.size FROM registry_repositories AS r
        JOIN registry_manifests AS m ON m.repository_id = r.id AND m.digest = $2
        WHERE r.name = $1";
    CONTENT = "SELECT bytes FROM registry_contents WHERE digest = $1";
    DELETE_MANIFEST = "
        DELETE FROM registry_manifests WHERE repository_id = $1 AND digest = $2 RETURNING media_type, size";
    DELETE_CONTENT = "
        DELETE FROM registry_contents WHERE digest = $1
        AND NOT EXISTS (SELECT 1 FROM registry_manifests WHERE digest = $1)";
    DIGESTS_OF_REFERRERS = "
        SELECT digest FROM registry_manifests WHERE repository_id = $1 AND subject = $2
        ORDER BY created_at, digest";

    // Referrers, oldest first: first how large they are, so that no more are read than fit on a page.
    REFERRERS = "
        SELECT CAST(LENGTH(m.referrer) AS BIGINT), m.created_at, m.digest FROM registry_repositories AS r
        JOIN registry_manifests AS m ON m.repository_id = r.id AND m.subject = $2
        WHERE r.name = $1 AND (m.created_at > $3 OR (m.created_at = $3 AND m.digest > $4))
        ORDER BY m.created_at, m.digest LIMIT $5";
    REFERRERS_OF_TYPE = "
        SELECT CAST(LENGTH(m.referrer) AS BIGINT), m.created_at, m.digest FROM registry_repositories AS r
        JOIN registry_manifests AS m ON m.repository_id = r.id AND m.subject = $2
        WHERE r.name = $1 AND (m.created_at > $3 OR (m.created_at = $3 AND m.digest > $4))
            AND m.artifact_type = $6
        ORDER BY m.created_at, m.digest LIMIT $5";
    REFERRER_DESCRIPTORS = sqlite "
        SELECT m.referrer FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest IN (SELECT value FROM json_each($2)) AND m.referrer IS NOT NULL
        ORDER BY m.created_at, m.digest",
    postgres "
        SELECT m.referrer FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest IN (SELECT value FROM json_array_elements_text(CAST($2 AS json)) AS value)
            AND m.referrer IS NOT NULL
        ORDER BY m.created_at, m.digest";

    // Tags.
    SET_TAG = "
        INSERT INTO registry_tags (repository_id, name, digest, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
        ON CONFLICT (repository_id, name) DO UPDATE SET digest = excluded.digest, updated_at = excluded.updated_at";
    DELETE_TAG = "DELETE FROM registry_tags WHERE repository_id = $1 AND name = $2 RETURNING digest";
    MANIFEST_FACTS = "
        SELECT media_type, size FROM registry_manifests WHERE repository_id = $1 AND digest = $2";
    // One row with NULL says that the repository is there and has no (more) tags.
    TAGS = "
        SELECT t.name FROM registry_repositories AS r
        LEFT JOIN registry_tags AS t ON t.repository_id = r.id AND t.name > $2
        WHERE r.name = $1 AND r.had_manifests = 1 ORDER BY t.name LIMIT $3";

    // The outbox.
    INSERT_EVENT = "
        INSERT INTO registry_events (at, action, repository, tag, digest, media_type, size, request)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    EVENTS_AFTER = "
        SELECT sequence, at, action, repository, tag, digest, media_type, size, request FROM registry_events
        WHERE sequence > $1 ORDER BY sequence LIMIT $2";

    // Lists with all that is known of their entries.
    REPOSITORY_FACTS = "
        SELECT r.created_at, r.updated_at,
            (SELECT COUNT(*) FROM registry_manifests AS m WHERE m.repository_id = r.id),
            (SELECT COUNT(*) FROM registry_tags AS t WHERE t.repository_id = r.id)
        FROM registry_repositories AS r WHERE r.name = $1";
    MANIFESTS_BY_DIGEST = "
        SELECT m.digest, m.media_type, m.size, m.config_media_type, m.image_size, m.architecture, m.os, m.created_at,
            m.updated_at FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest > $2 ORDER BY m.digest LIMIT $3";
    MANIFESTS_OLDEST_FIRST = "
        SELECT m.digest, m.media_type, m.size, m.config_media_type, m.image_size, m.architecture, m.os, m.created_at,
            m.updated_at FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND (m.updated_at > $4 OR (m.updated_at = $4 AND m.digest > $2))
        ORDER BY m.updated_at, m.digest LIMIT $3";
    MANIFESTS_NEWEST_FIRST = "
        SELECT m.digest, m.media_type, m.size, m.config_media_type, m.image_size, m.architecture, m.os, m.created_at,
            m.updated_at FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND (m.updated_at < $4 OR (m.updated_at = $4 AND m.digest > $2))
        ORDER BY m.updated_at DESC, m.digest LIMIT $3";
    MANIFEST_DETAILS = "
        SELECT m.digest, m.media_type, m.size, m.config_media_type, m.image_size, m.architecture, m.os, m.created_at,
            m.updated_at FROM registry_repositories AS r JOIN registry_manifests AS m ON m.repository_id = r.id
        WHERE r.name = $1 AND m.digest = $2";
    TAGS_OF_MANIFESTS = sqlite "
        SELECT t.digest, t.name FROM registry_repositories AS r JOIN registry_tags AS t ON t.repository_id = r.id
        WHERE r.name = $1 AND t.digest IN (SELECT value FROM json_each($2)) ORDER BY t.name",
    postgres "
        SELECT t.digest, t.name FROM registry_repositories AS r JOIN registry_tags AS t ON t.repository_id = r.id
        WHERE r.name = $1 AND t.digest IN (SELECT value FROM json_array_elements_text(CAST($2 AS json)) AS value)
        ORDER BY t.name";
    TAGS_BY_NAME = "
        SELECT t.name, t.digest, t.created_at, t.updated_at FROM registry_repositories AS r
        JOIN registry_tags AS t ON t.repository_id = r.id
        WHERE r.name = $1 AND t.name > $2 AND ($4 = '' OR t.digest = $4) ORDER BY t.name LIMIT $3";
    TAGS_OLDEST_FIRST = "
        SELECT t.name, t.digest, t.created_at, t.updated_at FROM registry_repositories AS r
        JOIN registry_tags AS t ON t.repository_id = r.id
        WHERE r.name = $1 AND ($4 = '' OR t.digest = $4)
            AND (t.updated_at > $5 OR (t.updated_at = $5 AND t.name > $2))
        ORDER BY t.updated_at, t.name LIMIT $3";
    TAGS_NEWEST_FIRST = "
        SELECT t.name, t.digest, t.created_at, t.updated_at FROM registry_repositories AS r
        JOIN registry_tags AS t ON t.repository_id = r.id
        WHERE r.name = $1 AND ($4 = '' OR t.digest = $4)
            AND (t.updated_at < $5 OR (t.updated_at = $5 AND t.name > $2))
        ORDER BY t.updated_at DESC, t.name LIMIT $3";
    TAG_DETAILS = "
        SELECT t.name, t.digest, t.created_at, t.updated_at FROM registry_repositories AS r
        JOIN registry_tags AS t ON t.repository_id = r.id WHERE r.name = $1 AND t.name = $2";
    ALL_DIGESTS = "SELECT digest FROM registry_manifests WHERE repository_id = $1 ORDER BY digest";
    ALL_TAGS = "SELECT name FROM registry_tags WHERE repository_id = $1 ORDER BY name";

    // Collecting garbage: candidates are found by reading, and looked at again by the statement that deletes.
    UNUSED_LINKS = "
        SELECT l.repository_id, l.digest FROM registry_links AS l
        WHERE l.seen_at < $1 AND (l.repository_id > $2 OR (l.repository_id = $2 AND l.digest > $3))
        AND NOT EXISTS (SELECT 1 FROM registry_references AS f
            WHERE f.repository_id = l.repository_id AND f.target = l.digest)
        ORDER BY l.repository_id, l.digest LIMIT $4";
    DELETE_UNUSED_LINK = "
        DELETE FROM registry_links WHERE repository_id = $1 AND digest = $2 AND seen_at < $3
        AND NOT EXISTS (SELECT 1 FROM registry_references AS f
            WHERE f.repository_id = registry_links.repository_id AND f.target = registry_links.digest)";
    UNLINKED_BLOBS = "
        SELECT b.digest FROM registry_blobs AS b WHERE b.digest > $1
        AND NOT EXISTS (SELECT 1 FROM registry_links AS l WHERE l.digest = b.digest)
        ORDER BY b.digest LIMIT $2";
    DELETE_UNLINKED_BLOB = "
        DELETE FROM registry_blobs WHERE digest = $1
        AND NOT EXISTS (SELECT 1 FROM registry_links AS l WHERE l.digest = registry_blobs.digest)
        RETURNING size, object";
    // Referrers go with their subjects, and the manifests of an index after the index.
    UNTAGGED_MANIFESTS = "
        SELECT r.name, m.digest FROM registry_manifests AS m
        JOIN registry_repositories AS r ON r.id = m.repository_id
        WHERE m.updated_at < $1 AND m.subject IS NULL
        AND NOT EXISTS (SELECT 1 FROM registry_tags AS t
            WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
        AND NOT EXISTS (SELECT 1 FROM registry_references AS f
            WHERE f.repository_id = m.repository_id AND f.target = m.digest)
        ORDER BY r.name, m.digest LIMIT $2";
    IS_UNTAGGED = "
        SELECT m.repository_id FROM registry_manifests AS m
        JOIN registry_repositories AS r ON r.id = m.repository_id
        WHERE r.name = $1 AND m.digest = $2 AND m.updated_at < $3 AND m.subject IS NULL
        AND NOT EXISTS (SELECT 1 FROM registry_tags AS t
            WHERE t.repository_id = m.repository_id AND t.digest = m.digest)
        AND NOT EXISTS (SELECT 1 FROM registry_references AS f
            WHERE f.repository_id = m.repository_id AND f.target = m.digest)";
    DELETE_EMPTY_REPOSITORIES = "
        DELETE FROM registry_repositories WHERE updated_at < $1
        AND NOT EXISTS (SELECT 1 FROM registry_manifests AS m WHERE m.repository_id = registry_repositories.id)
        AND NOT EXISTS (SELECT 1 FROM registry_links AS l WHERE l.repository_id = registry_repositories.id)";
    UNKNOWN_OBJECTS = sqlite "
        SELECT value FROM json_each($1) WHERE value NOT IN (SELECT object FROM registry_blobs)",
    postgres "
        SELECT value FROM json_array_elements_text(CAST($1 AS json)) AS value
        WHERE value NOT IN (SELECT object FROM registry_blobs)";

    // Readers of the outbox that are ours.
    BEGIN_READER = "
        INSERT INTO registry_cursors (reader, sequence, leased_until)
        SELECT CAST($1 AS TEXT), COALESCE(MAX(sequence), 0), 0 FROM registry_events WHERE true
        ON CONFLICT (reader) DO NOTHING";
    LEASE_READER = "
        UPDATE registry_cursors SET owner = $2, leased_until = $3
        WHERE reader = $1 AND (leased_until < $4 OR owner = $2) RETURNING sequence";
    ADVANCE_READER = "
        UPDATE registry_cursors SET sequence = $3, leased_until = $4 WHERE reader = $1 AND owner = $2";
    RELEASE_READERS = "UPDATE registry_cursors SET leased_until = 0 WHERE owner = $1";
    // A manifest that loses a tag has been changed just now.
    TOUCH_TAGGED = "
        UPDATE registry_manifests SET updated_at = $4 WHERE repository_id = $1 AND digest <> $3
        AND digest = (SELECT digest FROM registry_tags WHERE repository_id = $1 AND name = $2)";
}
