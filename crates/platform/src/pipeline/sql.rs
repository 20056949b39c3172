//! Statements of the pipeline.

tidewaiter_db::statements! {
    /// How far a reader of events has come.
    CURSOR = "SELECT position FROM cursors WHERE name = $1";
    /// A reader of events has come further.
    SET_CURSOR = "INSERT INTO cursors (name, position) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET position = excluded.position";
    /// Some component was not judged with this advisory database.
    ANY_STALE = "SELECT 1 FROM components WHERE judged_with IS NULL OR judged_with <> $1 LIMIT 1";
    /// Components of an image that were not judged with this advisory database.
    STALE_OF_IMAGE = "SELECT components.id, subject, judged_with, fingerprint FROM components
        JOIN image_components ON component_id = components.id
        WHERE image_digest = $1 AND (judged_with IS NULL OR judged_with <> $2) ORDER BY components.id LIMIT $3";
    /// Components that were not judged with this advisory database.
    STALE = "SELECT id, subject, judged_with, fingerprint FROM components
        WHERE id > $1 AND (judged_with IS NULL OR judged_with <> $2) ORDER BY id LIMIT $3";
    /// A component has been judged.
    SET_JUDGED = "UPDATE components SET judged_with = $2, fingerprint = $3 WHERE id = $1";
    /// What is said of a component now.
    VERDICTS = "SELECT advisory_id, finding FROM verdicts WHERE component_id = $1";
    /// Something is said of a component.
    SET_VERDICT = "INSERT INTO verdicts (component_id, advisory_id, severity, suppressed, finding)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (component_id, advisory_id) DO UPDATE SET
        severity = excluded.severity, suppressed = excluded.suppressed, finding = excluded.finding";
    /// Something is said of a component no longer.
    DROP_VERDICT = "DELETE FROM verdicts WHERE component_id = $1 AND advisory_id = $2";
    /// Something became different.
    ADD_CHANGE = "INSERT INTO changes (at, kind, cause, image_digest, component_id, advisory_id, database_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
}
