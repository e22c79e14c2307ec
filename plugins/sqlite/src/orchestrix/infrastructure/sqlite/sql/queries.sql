-- Every statement the store runs, by name.

-- name: stream_version
-- The number of events in a stream; no row for an unknown one.
SELECT version FROM events WHERE aggregate_id = ? ORDER BY version DESC LIMIT 1;

-- name: append_event
-- One event at the end of its stream and of the log.
INSERT INTO events (aggregate_id, version, event_id, type, schema_version, trace_id, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: place_of_event
-- Where an event id is stored.
SELECT aggregate_id, version FROM events WHERE event_id = ?;

-- name: load_stream
-- The events of one stream after the first n.
SELECT type, schema_version, document
FROM events WHERE aggregate_id = ? AND version > ? ORDER BY version;

-- name: load_stream_places
-- Where the events that load_stream gives stand.
SELECT position, aggregate_id, version
FROM events WHERE aggregate_id = ? AND version > ? ORDER BY version;

-- name: load_trace
-- The events of one trace over all streams, in log order.
SELECT type, schema_version, document
FROM events WHERE trace_id = ? ORDER BY position;

-- name: load_trace_places
-- Where the events that load_trace gives stand.
SELECT position, aggregate_id, version
FROM events WHERE trace_id = ? ORDER BY position;

-- name: read_log
-- A page of the log.
SELECT position, aggregate_id, version, type, schema_version, document
FROM events WHERE position > ? ORDER BY position LIMIT ?;

-- name: read_log_of_types
-- A page of the log that keeps the stored names in a JSON array.
SELECT position, aggregate_id, version, type, schema_version, document
FROM events
WHERE position > ? AND type IN (SELECT value FROM json_each(?))
ORDER BY position LIMIT ?;

-- name: head
-- The highest position.
SELECT COALESCE(MAX(position), 0) FROM events;

-- name: streams
-- A page of the streams, by id.
SELECT aggregate_id, MAX(version) FROM events
WHERE aggregate_id > ? GROUP BY aggregate_id ORDER BY aggregate_id LIMIT ?;

-- name: save_snapshot
-- Keep a snapshot unless a newer one is there.
INSERT INTO snapshots (aggregate_id, version, schema_version, timestamp, state)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (aggregate_id) DO UPDATE SET
    version = excluded.version,
    schema_version = excluded.schema_version,
    timestamp = excluded.timestamp,
    state = excluded.state
WHERE excluded.version >= snapshots.version;

-- name: load_snapshot
-- The snapshot of one aggregate.
SELECT aggregate_id, version, schema_version, timestamp, state
FROM snapshots WHERE aggregate_id = ?;

-- name: get_document
-- One document.
SELECT key, body, revision, due FROM documents WHERE collection = ? AND key = ?;

-- name: find_documents
-- A page of a collection: the keys from one to below another, in order.
SELECT key, body, revision, due FROM documents
WHERE collection = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?;

-- name: find_due_documents
-- A page of what is due in a collection, among the keys from one to below another.
SELECT key, body, revision, due FROM documents
WHERE collection = ? AND due <= ? AND key >= ? AND key < ? ORDER BY due, key LIMIT ?;

-- name: document_revision
-- How often a document was written; no row for one that is not there.
SELECT revision FROM documents WHERE collection = ? AND key = ?;

-- name: put_document
-- Write a document whole.
INSERT INTO documents (collection, key, body, due, revision) VALUES (?, ?, ?, ?, 1)
ON CONFLICT (collection, key) DO UPDATE SET
    body = excluded.body,
    due = excluded.due,
    revision = revision + 1
RETURNING revision;

-- name: delete_document
-- Remove a document.
DELETE FROM documents WHERE collection = ? AND key = ?;

-- name: changes
-- How many rows the last statement changed that can change any.
SELECT changes();

-- name: ownership
-- Whose file this is, its schema version, and how many tables, indexes and triggers it holds.
SELECT application_id, user_version, (SELECT COUNT(*) FROM sqlite_master)
FROM pragma_application_id, pragma_user_version;

-- name: streams_with_gaps
-- Streams whose versions are not 1, 2, 3 and so on.
SELECT aggregate_id, COUNT(*), MAX(version) FROM events
GROUP BY aggregate_id HAVING COUNT(*) <> MAX(version) OR MIN(version) <> 1;

-- name: events_out_of_order
-- Events that stand before an earlier version of their stream.
SELECT aggregate_id, version FROM (
    SELECT aggregate_id, version, position,
           LAG(position) OVER (PARTITION BY aggregate_id ORDER BY version) AS previous
    FROM events
) WHERE previous > position;
