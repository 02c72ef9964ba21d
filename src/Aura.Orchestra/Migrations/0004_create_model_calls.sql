-- The ledger of what was asked of models, one row a call. No foreign keys: what was spent stays on record when its job is gone.

CREATE TABLE aura.model_calls (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose            text NOT NULL CHECK (purpose IN ('work', 'plan')),
    prd_id             text,
    job_id             text,
    attempt            int CHECK (attempt > 0),
    backend            text NOT NULL CHECK (backend <> ''),
    model              text NOT NULL CHECK (model <> ''),
    -- Null: the other side did not say. The cached ones are among the prompt's.
    prompt_tokens      bigint CHECK (prompt_tokens >= 0),
    cached_tokens      bigint CHECK (cached_tokens >= 0),
    completion_tokens  bigint CHECK (completion_tokens >= 0),
    -- Null: unknown. Never a guess.
    cost               numeric(20, 10) CHECK (cost >= 0),
    price_table        text,
    latency            interval NOT NULL CHECK (latency >= interval '0'),
    first_token        interval CHECK (first_token >= interval '0'),
    retries            int NOT NULL DEFAULT 0 CHECK (retries >= 0),
    finish             text NOT NULL CHECK (finish <> ''),
    error_code         text,
    started_at         timestamptz NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT model_calls_usage_whole CHECK (num_nulls(prompt_tokens, cached_tokens, completion_tokens) IN (0, 3)),
    CONSTRAINT model_calls_cost_has_table CHECK ((cost IS NULL) = (price_table IS NULL)),
    CONSTRAINT model_calls_work_has_attempt CHECK (purpose <> 'work' OR (job_id IS NOT NULL AND attempt IS NOT NULL))
);
CREATE INDEX model_calls_of_model ON aura.model_calls (model, id DESC);
CREATE INDEX model_calls_of_job ON aura.model_calls (job_id, id) WHERE job_id IS NOT NULL;

CREATE TRIGGER model_calls_append_only BEFORE UPDATE ON aura.model_calls
    FOR EACH STATEMENT EXECUTE FUNCTION aura.refuse_change();
