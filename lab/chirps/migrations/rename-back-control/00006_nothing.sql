-- The control: a version number and nothing else.
-- +lab phase=control reversible=yes
-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
