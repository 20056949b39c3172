-- Work that has to be done, whatever happens to the process that promised it.
-- A job is claimable when `due_at` has come: of a waiting job that is when it may start, of a running one
-- when its lease ends. Times are microseconds since 1970.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    dedup_key TEXT,
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    owner TEXT,
    claims INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    again INTEGER NOT NULL,
    last_error TEXT,
    dead INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX jobs_due ON jobs (priority DESC, due_at, id) WHERE dead = 0;
CREATE UNIQUE INDEX jobs_dedup ON jobs (kind, dedup_key) WHERE dead = 0;
