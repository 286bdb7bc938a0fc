-- The default stays: a release that does not know the column can still insert. A default
-- that does not change is kept once for all old rows, and none of them is written
-- (https://www.postgresql.org/docs/18/sql-altertable.html#SQL-ALTERTABLE-NOTES).
-- +lab phase=expand reversible=loses-data
-- +goose Up
ALTER TABLE chirps ADD COLUMN lang text DEFAULT 'en';

-- +goose Down
ALTER TABLE chirps DROP COLUMN lang;
