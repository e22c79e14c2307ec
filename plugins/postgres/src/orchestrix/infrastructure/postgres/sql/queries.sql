-- Every statement the store runs, by name.

-- name: append_one
-- One event; NULL, or the version that its stream is at (see orchestrix_append_one).
SELECT :"schema".orchestrix_append_one($1, $2, $3, $4, $5, $6, $7);

-- name: append_each
-- Single events; a row for each that was not stored (see orchestrix_append_each).
SELECT n, actual FROM :"schema".orchestrix_append_each($1, $2, $3, $4, $5, $6, $7);

-- name: append
-- Appends, each whole or not at all; a row for each that was not stored (see orchestrix_append).
SELECT append, stream, actual, duplicate
FROM :"schema".orchestrix_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: load_stream
-- A page of one stream after its first n events. The send functions give the document's bytes.
SELECT type, schema_version, :document AS document, aggregate_id, position, version
FROM :"schema".events WHERE aggregate_id = $1 AND version > $2 ORDER BY version LIMIT $3;

-- name: load_trace
-- A page of the events of one trace over all streams, in log order.
SELECT type, schema_version, :document AS document, aggregate_id, position, version
FROM :"schema".events WHERE trace_id = $1 AND position > $2 ORDER BY position LIMIT $3;

-- name: read_log
-- A page of the log.
SELECT type, schema_version, :document AS document, aggregate_id, position, version
FROM :"schema".events WHERE position > $1 ORDER BY position LIMIT $2;

-- name: read_log_of_types
-- A page of the log that keeps only these stored names.
SELECT type, schema_version, :document AS document, aggregate_id, position, version
FROM :"schema".events WHERE position > $1 AND type = ANY ($2::text[]) ORDER BY position LIMIT $3;

-- name: head
-- The highest position.
SELECT coalesce(max(position), 0) FROM :"schema".events;

-- name: streams
-- A page of the streams, by id, from one index entry of each to the next.
WITH RECURSIVE found AS (
    (SELECT aggregate_id, 1::bigint AS nth FROM :"schema".events
     WHERE aggregate_id > $1 ORDER BY aggregate_id LIMIT 1)
    UNION ALL
    SELECT following.aggregate_id, found.nth + 1 FROM found
    CROSS JOIN LATERAL (
        SELECT e.aggregate_id FROM :"schema".events e
        WHERE e.aggregate_id > found.aggregate_id ORDER BY e.aggregate_id LIMIT 1
    ) AS following
    WHERE found.nth < $2
)
SELECT found.aggregate_id, last.version FROM found
CROSS JOIN LATERAL (
    SELECT e.version FROM :"schema".events e
    WHERE e.aggregate_id = found.aggregate_id ORDER BY e.version DESC LIMIT 1
) AS last
ORDER BY found.aggregate_id;

-- name: save_snapshot
-- Keep a snapshot unless a newer one is there.
INSERT INTO :"schema".snapshots AS kept (aggregate_id, version, schema_version, timestamp, state)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (aggregate_id) DO UPDATE SET
    version = excluded.version,
    schema_version = excluded.schema_version,
    timestamp = excluded.timestamp,
    state = excluded.state
WHERE excluded.version >= kept.version;

-- name: load_snapshot
-- The snapshot of one aggregate.
SELECT aggregate_id, version, schema_version, timestamp, json_send(state) AS state
FROM :"schema".snapshots WHERE aggregate_id = $1;

-- name: get_document
-- One document.
SELECT key, json_send(body) AS body, revision, due
FROM :"schema".documents WHERE collection = $1 AND key = $2;

-- name: lock_document
-- One document, which nobody else changes until the transaction ends; also when it is not there.
SELECT key, json_send(body) AS body, revision, due
FROM :"schema".orchestrix_get_document($1, $2);

-- name: find_documents
-- A page of a collection: the keys from one to below another, in order.
SELECT key, json_send(body) AS body, revision, due FROM :"schema".documents
WHERE collection = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4;

-- name: find_due_documents
-- A page of what is due in a collection, among the keys from one to below another.
SELECT key, json_send(body) AS body, revision, due FROM :"schema".documents
WHERE collection = $1 AND key >= $2 AND key < $3 AND due <= $5 ORDER BY due, key LIMIT $4;

-- name: put_document
-- Write a document whole; its revision, or a refusal (see orchestrix_put_document).
SELECT :"schema".orchestrix_put_document($1, $2, $3, $4, $5);

-- name: delete_document
-- Remove a document; the revision it had, or a refusal (see orchestrix_delete_document).
SELECT :"schema".orchestrix_delete_document($1, $2, $3);

-- name: look_here_first
-- Let names without a schema be looked for in this one first, until the transaction ends.
SELECT set_config('search_path', concat_ws(
    ', ', quote_ident($1), nullif(current_setting('search_path'), '')
), true);

-- name: notify
-- Wake whoever listens. It needs no sync of the disk: a lost notification only costs time.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, '');

-- name: facts
-- What a server must be like, and what stands in the schema: whether it exists, the type of the
-- payload column, and whether a table `events` or a table of versions is there.
SELECT current_setting('server_version_num')::integer AS server,
       current_setting('server_encoding') AS encoding,
       current_setting('default_transaction_isolation') AS isolation,
       pg_is_in_recovery() AS replica,
       to_regnamespace(quote_ident($1)) IS NOT NULL AS exists,
       to_regclass(quote_ident($1) || '.orchestrix_migrations') IS NOT NULL AS versioned,
       to_regclass(quote_ident($1) || '.events') IS NOT NULL AS occupied,
       (SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
        WHERE a.attrelid = to_regclass(quote_ident($1) || '.events')
        AND a.attname = 'document' AND NOT a.attisdropped) AS payload;

-- name: applied
-- The migrations that were applied.
SELECT version, applied_at FROM :"schema".orchestrix_migrations ORDER BY version;

-- name: lock_migrations
-- One process at a time makes or changes the schema; held until the transaction ends.
SELECT pg_advisory_xact_lock(1330795604, hashtext($1));

-- name: create_schema
-- The schema that the tables stand in.
CREATE SCHEMA IF NOT EXISTS :"schema";

-- name: drop_schema
-- A scratch schema, with all that stands in it.
DROP SCHEMA IF EXISTS :"schema" CASCADE;

-- name: create_versions
-- Which migrations were applied, and when.
CREATE TABLE IF NOT EXISTS :"schema".orchestrix_migrations (
    version    integer     NOT NULL PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: note_version
-- Remember that a migration was applied.
INSERT INTO :"schema".orchestrix_migrations (version) VALUES ($1);

-- name: hold_appends
-- For the contract suite: no append of others is committed before this transaction ends.
LOCK TABLE :"schema".events IN SHARE ROW EXCLUSIVE MODE;

-- name: held_appends
-- For the contract suite: the sessions whose append waits for that.
SELECT pid FROM pg_locks
WHERE NOT granted AND locktype = 'relation' AND relation = ':"schema".events'::regclass
AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: end_session
-- For the contract suite: end one of the user's own sessions.
SELECT pg_terminate_backend($1);

-- name: has_session
-- For the contract suite: whether a session is still there.
SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1);
