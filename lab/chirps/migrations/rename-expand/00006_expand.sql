-- All that an image of v2 holds which was built before the backfill was written.
-- A second column beside the first. v1 does not see it, v2 writes both.
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE chirps ADD COLUMN content text;

-- +goose Down
-- Nothing is lost while `body` is still written by everybody.
ALTER TABLE chirps DROP COLUMN content;
