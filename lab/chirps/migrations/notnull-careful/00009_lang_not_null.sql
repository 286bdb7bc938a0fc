-- The validated check proves that no row is without lang, so none is looked at
-- (https://www.postgresql.org/docs/18/sql-altertable.html, SET NOT NULL).
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE chirps ALTER COLUMN lang SET NOT NULL;
ALTER TABLE chirps DROP CONSTRAINT chirps_lang_is_given;

-- +goose Down
ALTER TABLE chirps ADD CONSTRAINT chirps_lang_is_given CHECK (lang IS NOT NULL) NOT VALID;
ALTER TABLE chirps VALIDATE CONSTRAINT chirps_lang_is_given;
ALTER TABLE chirps ALTER COLUMN lang DROP NOT NULL;
