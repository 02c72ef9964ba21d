-- What an assignment looks at besides scores: who may take what, at which price, and whether anybody serves the model now.
ALTER TABLE aura.models
    -- The jobs' roles that it takes; empty for all.
    ADD COLUMN roles               text[] NOT NULL DEFAULT '{}' CHECK (array_position(roles, NULL) IS NULL),
    ADD COLUMN capabilities        text[] NOT NULL DEFAULT '{}' CHECK (array_position(capabilities, NULL) IS NULL),
    -- What one attempt costs, as the Director puts it; null: what was measured counts.
    ADD COLUMN cost_per_attempt    double precision CHECK (cost_per_attempt >= 0),
    -- The last sign of somebody who serves it, a worker or a host; null before the first.
    ADD COLUMN seen_at             timestamptz,
    ADD COLUMN seen_by             text,
    -- Set when it could not be reached or used; longer each time, until an attempt succeeds or somebody who serves it starts anew.
    ADD COLUMN unavailable_until   timestamptz,
    ADD COLUMN unavailable_reason  text,
    ADD COLUMN unavailable_count   int NOT NULL DEFAULT 0 CHECK (unavailable_count >= 0),
    ADD CONSTRAINT models_unavailable_needs_reason CHECK (unavailable_until IS NULL OR unavailable_reason IS NOT NULL);

-- What a worker hands in of its own: the transcript of an attempt.
ALTER TABLE aura.model_artifacts DROP CONSTRAINT model_artifacts_artifact_type_check;
ALTER TABLE aura.model_artifacts ADD CONSTRAINT model_artifacts_artifact_type_check
    CHECK (artifact_type IN ('diff', 'patch', 'result', 'docs', 'transcript'));
