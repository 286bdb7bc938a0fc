-- The way out for who rolled back to v1 and met the renamed column: as fast as the rename,
-- no row is touched. Version 6 stays applied, and the schema is that of version 5.
-- +lab phase=rename reversible=yes repairs=v1
-- +lab breaks=v2-naive because=its statements name the column content, which is body again
-- +goose Up
ALTER TABLE chirps RENAME COLUMN content TO body;

-- +goose Down
ALTER TABLE chirps RENAME COLUMN body TO content;
