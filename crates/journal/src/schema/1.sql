-- Jobs, what happened to them, and the large things that they have made.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    key TEXT UNIQUE,
    request_sha256 TEXT NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'paused', 'done', 'failed', 'cancelled', 'set-aside')),
    wish TEXT CHECK (wish IN ('cancel', 'pause')),
    attempts INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    progress INTEGER NOT NULL DEFAULT 0,
    accepted_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    inputs TEXT,
    result TEXT,
    error TEXT
) STRICT;

-- Who is next; who is open; who may be forgotten.
CREATE INDEX jobs_queued ON jobs (priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_open ON jobs (state) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX jobs_ended ON jobs (id) WHERE ended_ms IS NOT NULL;

CREATE TABLE timeline (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;
