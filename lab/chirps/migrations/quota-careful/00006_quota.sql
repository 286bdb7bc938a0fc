-- Ten more for everybody, once: who has got them is written down in the same statement. A
-- second run waits for the rows of the first, reads them again and passes them over
-- (https://www.postgresql.org/docs/18/transaction-iso.html#XACT-READ-COMMITTED).
-- +lab phase=backfill reversible=loses-data
-- +goose Up
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS quota bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS quota_grant bigint;
UPDATE users SET quota = quota + 10, quota_grant = 6 WHERE quota_grant IS NULL;

-- +goose Down
ALTER TABLE users DROP COLUMN quota, DROP COLUMN quota_grant;
