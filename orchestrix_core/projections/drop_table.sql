-- Remove a table of a generation that is read no more; {table} is its quoted name.
DROP TABLE IF EXISTS {table}
