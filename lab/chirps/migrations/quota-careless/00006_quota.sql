-- Ten more for everybody. Applied twice it succeeds twice, and everybody has twenty; the
-- version table takes a second row of version 6 without complaint.
-- +lab phase=backfill reversible=loses-data
-- +goose Up
ALTER TABLE users ADD COLUMN IF NOT EXISTS quota bigint NOT NULL DEFAULT 0;
UPDATE users SET quota = quota + 10;

-- +goose Down
ALTER TABLE users DROP COLUMN quota;
