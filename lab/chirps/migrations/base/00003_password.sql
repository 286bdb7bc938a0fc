-- +lab phase=base reversible=loses-data
-- +goose Up
-- The default stays: a release that does not know the column can still insert.
ALTER TABLE users ADD COLUMN password text NOT NULL DEFAULT 'unset';

-- +goose Down
ALTER TABLE users DROP COLUMN password;
