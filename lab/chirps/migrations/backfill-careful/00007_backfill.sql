-- Copies `body` into `content`, a thousand rows a transaction, so that no row is locked for
-- long, with a pause after each so that others get their turn. Started again it goes on: rows
-- that have a content are passed over. Run it when the last process of v1 is gone, because
-- what v1 writes has no content.
-- +lab phase=backfill reversible=yes requires-release=2
-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
    done bigint := 0;
    upto bigint;
BEGIN
    LOOP
        SELECT max(id) INTO upto
        FROM (SELECT id FROM chirps WHERE id > done ORDER BY id LIMIT 1000) AS batch;
        EXIT WHEN upto IS NULL;

        UPDATE chirps SET content = body
        WHERE id > done AND id <= upto AND content IS NULL;
        COMMIT;
        done := upto;
        PERFORM pg_sleep(0.02);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- Nothing to take back: `body` was not touched.
