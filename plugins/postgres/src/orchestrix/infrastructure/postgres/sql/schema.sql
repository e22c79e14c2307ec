-- The schema of a new store. Old ones get there by migrations/; a test proves both agree.

-- Ids are compared byte by byte (COLLATE "C"), so their order is the same on every server.
CREATE TABLE :"schema".events (
    position       bigint  NOT NULL PRIMARY KEY,
    aggregate_id   text    COLLATE "C" NOT NULL,
    version        bigint  NOT NULL CHECK (version > 0),
    event_id       text    COLLATE "C" NOT NULL UNIQUE,
    type           text    NOT NULL,
    schema_version bigint  NOT NULL,
    trace_id       text    COLLATE "C",
    document       :payload NOT NULL,
    UNIQUE (aggregate_id, version)
);

CREATE INDEX events_by_trace ON :"schema".events (trace_id, position) WHERE trace_id IS NOT NULL;

CREATE FUNCTION :"schema".orchestrix_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are facts: they never change and are never deleted';
END
$$;

CREATE TRIGGER events_never_change
BEFORE UPDATE OR DELETE OR TRUNCATE ON :"schema".events
FOR EACH STATEMENT EXECUTE FUNCTION :"schema".orchestrix_refuse_change();

-- state is always json, which keeps every character; jsonb refuses NUL.
CREATE TABLE :"schema".snapshots (
    aggregate_id   text   COLLATE "C" NOT NULL PRIMARY KEY,
    version        bigint NOT NULL,
    schema_version bigint NOT NULL,
    timestamp      text   NOT NULL, -- ISO 8601
    state          json   NOT NULL
);

-- Documents that the application keeps beside its events, and changes together with them. body is
-- always json, which keeps every character.
CREATE TABLE :"schema".documents (
    collection     text   COLLATE "C" NOT NULL,
    key            text   COLLATE "C" NOT NULL,
    body           json   NOT NULL,
    revision       bigint NOT NULL,
    due            timestamptz,
    PRIMARY KEY (collection, key)
);

CREATE INDEX documents_by_due ON :"schema".documents (collection, due, key) WHERE due IS NOT NULL;

-- Keep everyone else from changing a document until the transaction ends, also from making one
-- that is not there. The three functions that follow begin with this, so what they read is what the
-- last holder of the lock left: in READ COMMITTED each of their statements sees what is committed
-- when that statement begins.
CREATE FUNCTION :"schema".orchestrix_lock_document(of_collection text, of_key text)
RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(
        of_key, hashtextextended(of_collection, ':"schema".documents'::regclass::oid::bigint)
    ));
END
$$;

CREATE FUNCTION :"schema".orchestrix_get_document(of_collection text, of_key text)
RETURNS SETOF :"schema".documents LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    PERFORM :"schema".orchestrix_lock_document(of_collection, of_key);
    RETURN QUERY
    SELECT * FROM :"schema".documents d WHERE d.collection = of_collection AND d.key = of_key;
END
$$;

-- Write a document whole. Return its new revision, or a number below zero when it is not written
-- since another revision than the expected one is there: -1 for none, -2 for the first, and so on.
CREATE FUNCTION :"schema".orchestrix_put_document(
    of_collection text, of_key text, new_body json, new_due timestamptz, expected bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    actual bigint;
BEGIN
    PERFORM :"schema".orchestrix_lock_document(of_collection, of_key);
    IF expected IS NOT NULL THEN
        actual := coalesce((
            SELECT d.revision FROM :"schema".documents d
            WHERE d.collection = of_collection AND d.key = of_key
        ), 0);
        IF actual <> expected THEN
            RETURN -1 - actual;
        END IF;
    END IF;
    INSERT INTO :"schema".documents AS d (collection, key, body, revision, due)
    VALUES (of_collection, of_key, new_body, 1, new_due)
    ON CONFLICT (collection, key) DO UPDATE SET
        body = excluded.body, revision = d.revision + 1, due = excluded.due
    RETURNING d.revision INTO actual;
    RETURN actual;
END
$$;

-- Remove a document. Return the revision that it had, 0 when there was none, or a number below zero
-- as orchestrix_put_document does.
CREATE FUNCTION :"schema".orchestrix_delete_document(
    of_collection text, of_key text, expected bigint
) RETURNS bigint LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    actual bigint;
BEGIN
    PERFORM :"schema".orchestrix_lock_document(of_collection, of_key);
    actual := coalesce((
        SELECT d.revision FROM :"schema".documents d
        WHERE d.collection = of_collection AND d.key = of_key
    ), 0);
    IF expected <> actual THEN
        RETURN -1 - actual;
    END IF;
    DELETE FROM :"schema".documents d WHERE d.collection = of_collection AND d.key = of_key;
    RETURN actual;
END
$$;

-- Append one event, which is what most appends do. Return NULL when it is stored, and what the
-- version of its stream is when that is not the expected one; -1 when it is not and the id is stored
-- already: then orchestrix_append knows more. An id that is stored already breaks the unique
-- constraint otherwise, and with it the call.
--
-- It must be a function: in READ COMMITTED each statement in it sees what is committed when that
-- statement begins, so what is read after the lock is what the last holder of the lock left.
--
-- Plans are made once for each connection: a new one for each call takes longer than the call. One
-- that is made while the table is small must not read all of it, hence enable_seqscan.
CREATE FUNCTION :"schema".orchestrix_append_one(
    stream text, expected bigint, id text, type text, schema_version bigint, trace text,
    document :payload
) RETURNS bigint LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE invalid_transaction_state USING MESSAGE = 'appends need isolation level read committed';
    END IF;
    -- Held until the commit is visible: positions are drawn, and versions read, in commit order.
    PERFORM pg_advisory_xact_lock(1330795604, ':"schema".events'::regclass::oid::integer);
    INSERT INTO :"schema".events
    SELECT coalesce((SELECT e.position FROM :"schema".events e ORDER BY e.position DESC LIMIT 1), 0) + 1,
           stream, s.before + 1, id, type, schema_version, trace, document
    FROM (
        SELECT coalesce((
            SELECT e.version FROM :"schema".events e
            WHERE e.aggregate_id = stream ORDER BY e.version DESC LIMIT 1
        ), 0) AS before
    ) AS s
    WHERE expected IS NULL OR expected = s.before;
    IF FOUND THEN
        RETURN NULL;
    ELSIF EXISTS (SELECT FROM :"schema".events e WHERE e.event_id = id) THEN
        RETURN -1;
    END IF;
    RETURN coalesce((
        SELECT e.version FROM :"schema".events e
        WHERE e.aggregate_id = stream ORDER BY e.version DESC LIMIT 1
    ), 0);
END
$$;

-- Write single events, each to a stream of its own and each stored or not, and name those that are
-- not, with the version of their stream. Ids and streams come once: then it does not matter in which
-- order the events come, and one statement will do. An id that is stored already breaks the unique
-- constraint, and with it the call; so it does here when its event is not to be stored.
CREATE FUNCTION :"schema".orchestrix_append_each(
    streams text[], expected bigint[], ids text[], types text[], schema_versions bigint[],
    traces text[], documents :payload[]
) RETURNS TABLE (n bigint, actual bigint) LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    head bigint;
    stored integer;
    is_known boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE invalid_transaction_state USING MESSAGE = 'appends need isolation level read committed';
    END IF;
    -- Held until the commit is visible: positions are drawn, and versions read, in commit order.
    PERFORM pg_advisory_xact_lock(1330795604, ':"schema".events'::regclass::oid::integer);
    head := coalesce((SELECT e.position FROM :"schema".events e ORDER BY e.position DESC LIMIT 1), 0);
    INSERT INTO :"schema".events
    SELECT head + i.n, i.stream, coalesce(s.version, 0) + 1,
           i.id, i.type, i.schema_version, i.trace, i.document
    FROM unnest(streams, expected, ids, types, schema_versions, traces, documents)
    WITH ORDINALITY AS i(stream, want, id, type, schema_version, trace, document, n)
    LEFT JOIN LATERAL (
        SELECT e.version FROM :"schema".events e
        WHERE e.aggregate_id = i.stream ORDER BY e.version DESC LIMIT 1
    ) AS s ON true
    WHERE i.want IS NULL OR i.want = coalesce(s.version, 0);
    GET DIAGNOSTICS stored = ROW_COUNT;
    IF stored = cardinality(streams) THEN
        RETURN;
    END IF;
    FOR n, actual, is_known IN
        SELECT i.n, coalesce(s.version, 0), EXISTS (SELECT FROM :"schema".events e WHERE e.event_id = i.id)
        FROM unnest(streams, ids) WITH ORDINALITY AS i(stream, id, n)
        LEFT JOIN LATERAL (
            SELECT e.version FROM :"schema".events e
            WHERE e.aggregate_id = i.stream ORDER BY e.version DESC LIMIT 1
        ) AS s ON true
        WHERE NOT EXISTS (SELECT FROM :"schema".events e WHERE e.position = head + i.n)
    LOOP
        IF is_known THEN
            RAISE unique_violation USING MESSAGE = 'an id is stored already';
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Write one or more appends, each of which is stored whole or not at all, and name those that are
-- not stored, with the reason. An append is one or more writes, a write is the events for one
-- stream. Writes and events come as columns: `appends[w]` is the append of write w, `offsets[w]`
-- how many events stand before its own, `writes[n]` the write of event n.
--
-- An id that is stored already, or comes twice, may break the unique constraint and with it the
-- call; the caller repeats it with care.
CREATE FUNCTION :"schema".orchestrix_append(
    careful boolean,
    appends integer[], streams text[], expected bigint[], offsets integer[],
    writes integer[], ids text[], types text[], schema_versions bigint[], traces text[],
    documents :payload[]
) RETURNS TABLE (append integer, stream text, actual bigint, duplicate text)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    head bigint;
    befores bigint[]; -- the version that a write meets
    heads bigint[]; -- where a stream stands meanwhile, kept at its first write
    slots integer[]; -- that first write
    wins boolean[];
    refused integer[] := '{}'; -- of each append that is not stored, the write that says why
    reason integer;
    fits boolean;
    first integer := 1;
    last integer;
    total integer := cardinality(streams);
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE invalid_transaction_state USING MESSAGE = 'appends need isolation level read committed';
    END IF;
    -- Held until the commit is visible: positions are drawn, and versions read, in commit order.
    PERFORM pg_advisory_xact_lock(1330795604, ':"schema".events'::regclass::oid::integer);
    head := coalesce((SELECT e.position FROM :"schema".events e ORDER BY e.position DESC LIMIT 1), 0);

    IF NOT careful THEN
        SELECT array_agg(coalesce(s.version, 0) ORDER BY u.n),
               count(DISTINCT u.stream) = total
               AND bool_and(u.want IS NULL OR u.want = coalesce(s.version, 0))
        INTO befores, fits
        FROM unnest(streams, expected) WITH ORDINALITY AS u(stream, want, n)
        LEFT JOIN LATERAL (
            SELECT e.version FROM :"schema".events e
            WHERE e.aggregate_id = u.stream ORDER BY e.version DESC LIMIT 1
        ) AS s ON true;
        -- All at once, when each stream comes once and is at the expected version: the usual case.
        IF fits THEN
            INSERT INTO :"schema".events
            SELECT head + i.n, streams[i.w], befores[i.w] + i.n - offsets[i.w],
                   i.id, i.type, i.schema_version, i.trace, i.document
            FROM unnest(writes, ids, types, schema_versions, traces, documents)
            WITH ORDINALITY AS i(w, id, type, schema_version, trace, document, n);
            RETURN;
        END IF;

        -- Else see who wins, one append after another, each standing on those before it.
        heads := befores;
        WHILE first <= total LOOP
            last := first;
            WHILE last < total AND appends[last + 1] = appends[first] LOOP
                last := last + 1;
            END LOOP;
            reason := NULL;
            FOR w IN REVERSE last..first LOOP
                slots[w] := array_position(streams, streams[w]);
                befores[w] := heads[slots[w]];
                IF expected[w] <> befores[w] THEN
                    reason := w;
                END IF;
            END LOOP;
            IF reason IS NOT NULL THEN
                refused := refused || reason;
            END IF;
            FOR w IN first..last LOOP
                wins[w] := reason IS NULL;
                IF wins[w] THEN
                    heads[slots[w]] := befores[w] + coalesce(offsets[w + 1], cardinality(ids)) - offsets[w];
                END IF;
            END LOOP;
            first := last + 1;
        END LOOP;

        -- An append that is refused may be the very same as an earlier one, or hold an id that is
        -- stored or comes twice. Where it cannot, the winners are written, and that is all.
        IF refused = '{}' OR NOT (
            (SELECT count(DISTINCT u.id) FROM unnest(ids) AS u(id)) < cardinality(ids)
            OR EXISTS (SELECT FROM :"schema".events e WHERE e.event_id = ANY (ids))
        ) THEN
            INSERT INTO :"schema".events
            SELECT head + i.n, streams[i.w], befores[i.w] + i.n - offsets[i.w],
                   i.id, i.type, i.schema_version, i.trace, i.document
            FROM unnest(writes, ids, types, schema_versions, traces, documents)
            WITH ORDINALITY AS i(w, id, type, schema_version, trace, document, n)
            WHERE wins[i.w];
            FOREACH reason IN ARRAY refused LOOP
                append := appends[reason];
                stream := streams[reason];
                actual := befores[reason];
                RETURN NEXT;
            END LOOP;
            RETURN;
        END IF;
    END IF;

    -- One append after another, each with a look at what those before it have stored.
    first := 1;
    WHILE first <= total LOOP
        last := first;
        WHILE last < total AND appends[last + 1] = appends[first] LOOP
            last := last + 1;
        END LOOP;
        fits := true;
        FOR w IN first..last LOOP
            befores[w] := coalesce((
                SELECT e.version FROM :"schema".events e
                WHERE e.aggregate_id = streams[w] ORDER BY e.version DESC LIMIT 1
            ), 0);
            fits := fits AND (expected[w] IS NULL OR expected[w] = befores[w]);
        END LOOP;
        append := appends[first];
        IF fits THEN
            BEGIN
                INSERT INTO :"schema".events
                SELECT head + i.n, streams[i.w], befores[i.w] + i.n - offsets[i.w],
                       i.id, i.type, i.schema_version, i.trace, i.document
                FROM unnest(writes, ids, types, schema_versions, traces, documents)
                WITH ORDINALITY AS i(w, id, type, schema_version, trace, document, n)
                WHERE i.w BETWEEN first AND last;
            EXCEPTION WHEN unique_violation THEN
                SELECT streams[i.w], NULL, i.id INTO stream, actual, duplicate
                FROM unnest(writes, ids) WITH ORDINALITY AS i(w, id, n)
                WHERE i.w BETWEEN first AND last AND (
                    EXISTS (SELECT FROM :"schema".events e WHERE e.event_id = i.id)
                ) ORDER BY i.n LIMIT 1;
                IF NOT FOUND THEN
                    RAISE;
                END IF;
                RETURN NEXT;
            END;
        -- The very same append, which stands where it would have been put, is no conflict.
        ELSIF NOT coalesce((
            SELECT bool_and(coalesce(
                e.aggregate_id = streams[i.w] AND e.version - (i.n - offsets[i.w]) = expected[i.w],
                false
            ))
            FROM unnest(writes, ids) WITH ORDINALITY AS i(w, id, n)
            LEFT JOIN :"schema".events e ON e.event_id = i.id
            WHERE i.w BETWEEN first AND last
        ), false) THEN
            SELECT streams[i.w], NULL, i.id INTO stream, actual, duplicate
            FROM unnest(writes, ids) WITH ORDINALITY AS i(w, id, n)
            WHERE i.w BETWEEN first AND last AND (
                EXISTS (SELECT FROM :"schema".events e WHERE e.event_id = i.id)
            ) ORDER BY i.n LIMIT 1;
            IF NOT FOUND THEN
                FOR w IN REVERSE last..first LOOP
                    IF expected[w] <> befores[w] THEN
                        stream := streams[w];
                        actual := befores[w];
                        duplicate := NULL;
                    END IF;
                END LOOP;
            END IF;
            RETURN NEXT;
        END IF;
        first := last + 1;
    END LOOP;
END
$$;
