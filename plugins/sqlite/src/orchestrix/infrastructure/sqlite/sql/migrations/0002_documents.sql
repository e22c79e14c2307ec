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
