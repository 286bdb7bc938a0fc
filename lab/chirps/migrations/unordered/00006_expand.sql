-- Takes its time and holds no lock meanwhile: what is waited for is a version, not a table.
-- CHIRPS_SLOW_MIGRATION_S says how long.
-- +lab phase=expand reversible=yes
-- +goose ENVSUB ON
-- +goose Up
SELECT pg_sleep(${CHIRPS_SLOW_MIGRATION_S:-40});
ALTER TABLE chirps ADD COLUMN content text;

-- +goose Down
-- Nothing is lost while `body` is still written by everybody.
ALTER TABLE chirps DROP COLUMN content;
