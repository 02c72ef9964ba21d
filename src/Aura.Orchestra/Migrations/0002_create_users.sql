-- People who sign in, and their sign-ins. Of a password only its salted hash is here, of a refresh token only its keyed hash.

ALTER TABLE aura.users
    ADD COLUMN roles            text[],
    ADD COLUMN password_hash    text CHECK (password_hash <> ''),
    -- Rises with every change of password, roles or standing; an access token of another version is not taken any more.
    ADD COLUMN version          int NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN updated_at       timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN last_sign_in_at  timestamptz;
UPDATE aura.users SET roles = ARRAY[role];
ALTER TABLE aura.users
    DROP COLUMN role,
    DROP CONSTRAINT users_name_key,
    ALTER COLUMN roles SET NOT NULL,
    ADD CONSTRAINT users_roles_known CHECK (cardinality(roles) > 0 AND array_position(roles, NULL) IS NULL
        AND roles <@ ARRAY['Director', 'ManagerOperator', 'Auditor', 'HR', 'Employee']),
    ADD CONSTRAINT users_name_form CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$'),
    -- The names under which Aura itself acts.
    ADD CONSTRAINT users_name_free CHECK (lower(name) NOT IN ('director', 'system', 'anonymous', 'unknown'));
CREATE UNIQUE INDEX users_by_name ON aura.users (lower(name));

-- One row a sign-in ("family"). Its token is exchanged at each use; the one before is known, to tell a second tab from a thief.
CREATE TABLE aura.refresh_tokens (
    family          uuid PRIMARY KEY,
    -- Null: the Director, signed in with the key.
    user_id         bigint REFERENCES aura.users ON DELETE CASCADE,
    token_hash      bytea NOT NULL CHECK (octet_length(token_hash) = 32),
    previous_hash   bytea CHECK (octet_length(previous_hash) = 32),
    -- Makes the present token again, for who holds the previous one and the hosts' secret.
    successor_salt  bytea CHECK (octet_length(successor_salt) = 32),
    rotated_at      timestamptz,
    started_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    CONSTRAINT refresh_tokens_end CHECK (started_at < expires_at AND expires_at <= ends_at),
    CONSTRAINT refresh_tokens_rotation CHECK (num_nulls(previous_hash, successor_salt, rotated_at) IN (0, 3))
);
CREATE INDEX refresh_tokens_of_user ON aura.refresh_tokens (user_id);
CREATE INDEX refresh_tokens_by_expiry ON aura.refresh_tokens (expires_at);
