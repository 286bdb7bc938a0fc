-- Schema and data in one transaction: the strong lock of the first statement is held until
-- the second has written every row.
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE chirps ADD COLUMN content text;
UPDATE chirps SET content = body;

-- +goose Down
-- Nothing is lost while `body` is still written by everybody.
ALTER TABLE chirps DROP COLUMN content;
