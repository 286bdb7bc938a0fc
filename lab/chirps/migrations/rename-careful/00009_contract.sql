-- Drops the old column. Run it when nobody names it any more: v2 does, also to write both.
-- +lab phase=contract reversible=no requires-release=3 floor=3
-- +goose Up
-- What has a body only would be gone for good.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM chirps WHERE content IS NULL) THEN
        RAISE EXCEPTION 'there are chirps without content: who still writes body alone?';
    END IF;
END
$$;
-- +goose StatementEnd
ALTER TABLE chirps DROP COLUMN body;
UPDATE chirps_schema SET compat_floor = 3, changed_by = 9;

-- +goose Down
-- goose records a Down without statements as done, so this one says no.
-- +goose StatementBegin
DO $$
BEGIN
    RAISE EXCEPTION 'no way back: body is gone; to have it again, expand and backfill anew';
END
$$;
-- +goose StatementEnd
