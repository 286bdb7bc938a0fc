-- Whatever the order was, the column is text after this: where it is already, nothing is done.
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE users ALTER COLUMN display_name TYPE text;

-- +goose Down
-- There is no one state before this to go back to, and the longer type does no harm.
SELECT 1;
