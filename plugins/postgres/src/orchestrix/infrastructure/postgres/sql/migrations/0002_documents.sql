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
