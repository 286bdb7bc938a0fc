-- The same work, but who cannot have the lock within a second gives up the place in the queue
-- and comes again later.
-- +lab phase=expand reversible=loses-data lock-timeout=1 retries=30
-- +goose Up
ALTER TABLE chirps ADD COLUMN edited_at timestamptz;

-- +goose Down
ALTER TABLE chirps DROP COLUMN edited_at;
