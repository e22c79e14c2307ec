-- name: make
-- No key, so that an event that is handled twice shows.
CREATE TABLE {seen} (stream TEXT NOT NULL, version INTEGER NOT NULL)

-- name: index
CREATE INDEX {index} ON {seen} (stream)

-- name: add
INSERT INTO {seen} (stream, version) VALUES ($1, $2)

-- name: all
SELECT stream, version FROM {seen} ORDER BY stream, version

-- name: count
SELECT COUNT(*) AS many FROM {seen}
