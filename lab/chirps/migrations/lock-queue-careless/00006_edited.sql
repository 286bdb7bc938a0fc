-- A few milliseconds of work, and no bound on the wait for its lock. While it waits behind
-- one long SELECT, everybody who comes later waits behind it.
-- +lab phase=expand reversible=loses-data
-- +goose Up
ALTER TABLE chirps ADD COLUMN edited_at timestamptz;

-- +goose Down
ALTER TABLE chirps DROP COLUMN edited_at;
