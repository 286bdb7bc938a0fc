-- +lab phase=base reversible=loses-data
-- +goose Up
CREATE TABLE refresh_tokens (
    token text PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- Deleting a user looks for that user's tokens.
CREATE INDEX refresh_tokens_of_user ON refresh_tokens (user_id);

-- +goose Down
DROP TABLE refresh_tokens;
