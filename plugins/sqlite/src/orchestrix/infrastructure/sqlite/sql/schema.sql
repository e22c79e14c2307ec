-- The schema of a new file. Old files get there by migrations/; a test proves both agree.

-- position is the rowid: SQLite gives the highest one plus 1, inside the write transaction, so
-- positions grow in commit order. Nothing is ever deleted (see the triggers), so none is given twice.
CREATE TABLE events (
    position       INTEGER PRIMARY KEY,
    aggregate_id   TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    event_id       ANY     NOT NULL UNIQUE, -- a canonical UUID as its 16 bytes, other ids as text
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    trace_id       TEXT,
    document       BLOB    NOT NULL,
    UNIQUE (aggregate_id, version)
) STRICT;

CREATE INDEX events_by_trace ON events (trace_id) WHERE trace_id IS NOT NULL;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are facts: they never change');
END;

CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are facts: they are never deleted');
END;

CREATE TABLE snapshots (
    aggregate_id   TEXT    NOT NULL PRIMARY KEY,
    version        INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    timestamp      TEXT    NOT NULL, -- ISO 8601
    state          BLOB    NOT NULL  -- JSON
) STRICT;

-- Documents that the application keeps beside its events, and changes together with them.
CREATE TABLE documents (
    collection     TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    body           TEXT    NOT NULL, -- JSON
    revision       INTEGER NOT NULL,
    due            INTEGER,          -- microseconds since 1970
    PRIMARY KEY (collection, key)
) STRICT;

CREATE INDEX documents_by_due ON documents (collection, due, key) WHERE due IS NOT NULL;
