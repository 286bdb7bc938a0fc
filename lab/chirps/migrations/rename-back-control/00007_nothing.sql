-- The control of the way out: there is nothing to rename back.
-- +lab phase=control reversible=yes
-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
