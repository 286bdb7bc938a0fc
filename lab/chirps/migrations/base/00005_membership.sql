-- +lab phase=base reversible=loses-data
-- +goose Up
ALTER TABLE users ADD COLUMN is_member boolean NOT NULL DEFAULT false;

-- +goose Down
ALTER TABLE users DROP COLUMN is_member;
