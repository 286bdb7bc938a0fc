-- Lets a chirp be written without `body`, which v3 does: so this comes before v3. From now on
-- there may be chirps whose text v1 cannot see, so the floor rises to 2 here, and not only
-- when the column goes.
-- +lab phase=relax reversible=yes requires-release=2 floor=2
-- +goose Up
-- v3 reads `content` alone: a chirp without one would have lost its text.
-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM chirps WHERE content IS NULL) THEN
        RAISE EXCEPTION 'there are chirps without content: is v1 gone, and was 7 run after it?';
    END IF;
END
$$;
-- +goose StatementEnd
ALTER TABLE chirps ALTER COLUMN body DROP NOT NULL;
UPDATE chirps_schema SET compat_floor = 2, changed_by = 8;

-- +goose Down
-- Both statements look at every row. Run it when the last process of v3 is gone.
UPDATE chirps SET body = content WHERE body IS NULL;
ALTER TABLE chirps ALTER COLUMN body SET NOT NULL;
UPDATE chirps_schema SET compat_floor = 1, changed_by = 1;
