-- Looks at every row under a lock that lets others read and write.
-- +lab phase=expand reversible=yes
-- +goose Up
ALTER TABLE chirps VALIDATE CONSTRAINT chirps_lang_is_given;

-- +goose Down
-- A constraint that was validated cannot be made invalid; it can be made anew.
ALTER TABLE chirps DROP CONSTRAINT chirps_lang_is_given;
ALTER TABLE chirps ADD CONSTRAINT chirps_lang_is_given CHECK (lang IS NOT NULL) NOT VALID;
