-- Of developer B, who has not seen A's file. Which type the column has is up to who runs last.
-- +lab phase=expand reversible=loses-data
-- +goose Up
ALTER TABLE users ADD COLUMN IF NOT EXISTS display_name text;
ALTER TABLE users ALTER COLUMN display_name TYPE text;

-- +goose Down
ALTER TABLE users DROP COLUMN IF EXISTS display_name;
