-- The default fills the rows that are there and is taken away again, as a framework does that
-- keeps defaults in its own code. Works on a full table; what v1 inserts fails with 23502.
-- +lab phase=expand reversible=loses-data
-- +lab breaks=v1 because=it inserts without lang, whose default was dropped
-- +goose Up
ALTER TABLE chirps ADD COLUMN lang text NOT NULL DEFAULT 'en';
ALTER TABLE chirps ALTER COLUMN lang DROP DEFAULT;

-- +goose Down
ALTER TABLE chirps DROP COLUMN lang;
