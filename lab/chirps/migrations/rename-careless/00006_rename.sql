-- One line, a few milliseconds, and from its commit on every statement of v1 that names
-- `body` fails with 42703.
-- +lab phase=rename reversible=yes breaks=v1
-- +goose Up
ALTER TABLE chirps RENAME COLUMN body TO content;

-- +goose Down
ALTER TABLE chirps RENAME COLUMN content TO body;
