-- One line, a few milliseconds, and from its commit on every statement of v1 that names
-- `body` fails with 42703.
-- +lab phase=rename reversible=yes
-- +lab breaks=v1 because=its statements name the column body, which is called content now
-- +goose Up
ALTER TABLE chirps RENAME COLUMN body TO content;

-- +goose Down
ALTER TABLE chirps RENAME COLUMN content TO body;
