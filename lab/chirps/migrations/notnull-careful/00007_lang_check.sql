-- NOT VALID: holds for what is written from now on, and no old row is looked at, so the strong
-- lock is held for an instant.
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE chirps ADD CONSTRAINT chirps_lang_is_given CHECK (lang IS NOT NULL) NOT VALID;

-- +goose Down
ALTER TABLE chirps DROP CONSTRAINT chirps_lang_is_given;
