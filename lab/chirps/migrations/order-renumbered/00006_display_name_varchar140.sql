-- Of developer A, who began first and was merged last.
-- +lab phase=expand reversible=loses-data
-- +goose Up
ALTER TABLE users ADD COLUMN IF NOT EXISTS display_name varchar(140);
ALTER TABLE users ALTER COLUMN display_name TYPE varchar(140);

-- +goose Down
ALTER TABLE users DROP COLUMN IF EXISTS display_name;
