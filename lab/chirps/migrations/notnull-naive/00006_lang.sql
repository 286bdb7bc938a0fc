-- Works on an empty table, as in a pipeline's test database. On one with rows it fails with
-- 23502, because there is nothing to put into them.
-- +lab phase=expand reversible=loses-data
-- +lab breaks=v1 because=it inserts without lang, which has no default
-- +goose Up
ALTER TABLE chirps ADD COLUMN lang text NOT NULL;

-- +goose Down
ALTER TABLE chirps DROP COLUMN lang;
