-- The organisation: what was asked for, what was done for it, by whom, and the proof that it is good.
-- Rules that must hold whoever writes stand here as constraints; order of states is guarded by the stores (PrdStatus, JobStatus).

CREATE TABLE aura.projects (
    id          text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'),
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE aura.users (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    role        text NOT NULL CHECK (role IN ('Director', 'ManagerOperator', 'Auditor', 'HR', 'Employee')),
    is_active   boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE aura.models (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name <> ''),
    kind        text NOT NULL CHECK (kind IN ('local', 'cloud', 'cli')),
    endpoint    text,
    backend     text NOT NULL CHECK (backend <> ''),
    display     text NOT NULL,
    is_active   boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX models_of_backend ON aura.models (backend, name) WHERE is_active;

CREATE TABLE aura.prds (
    id                    text PRIMARY KEY CHECK (id ~ '^prd-[a-hjkmnp-tv-z2-9]{8}$'),
    -- Pages go by this number: created_at is the same for every row of one transaction.
    seq                   bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    project_id            text NOT NULL REFERENCES aura.projects,
    title                 text NOT NULL CHECK (title <> ''),
    description           text NOT NULL DEFAULT '',
    status                text NOT NULL DEFAULT 'RECEIVED' CHECK (status IN
        ('RECEIVED', 'PLANNED', 'RUNNING', 'AWAITING_APPROVAL', 'MERGING', 'ARCHIVED', 'REJECTED', 'ESCALATED', 'CANCELLED')),
    status_reason         text,
    tasks                 jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(tasks) = 'array'),
    acceptance_tests      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(acceptance_tests) = 'array'),
    allow_test_changes    jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(allow_test_changes) = 'array'),
    backend               text,
    branch                text,
    base_commit           text,
    head_commit           text,
    merge_commit          text,
    -- Bytes, because a diff may hold what text cannot (NUL); UTF-8 otherwise.
    diff                  bytea,
    diff_hash             text,
    tests_before          jsonb,
    tests_after           jsonb,
    workflow_instance_id  text,
    created_by            text NOT NULL,
    decided_by            text,
    decided_at            timestamptz,
    idempotency_key       text UNIQUE,
    request_hash          text,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT prds_approval_needs_diff CHECK (status NOT IN ('AWAITING_APPROVAL', 'MERGING', 'ARCHIVED')
        OR (head_commit IS NOT NULL AND diff IS NOT NULL AND diff_hash IS NOT NULL)),
    CONSTRAINT prds_merge_needs_decision CHECK (status NOT IN ('MERGING', 'ARCHIVED') OR decided_by IS NOT NULL),
    CONSTRAINT prds_archive_needs_merge CHECK (status <> 'ARCHIVED' OR merge_commit IS NOT NULL),
    CONSTRAINT prds_stop_needs_reason CHECK (status NOT IN ('REJECTED', 'ESCALATED', 'CANCELLED') OR status_reason IS NOT NULL),
    CONSTRAINT prds_key_needs_hash CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE INDEX prds_by_status ON aura.prds (status, seq DESC);
CREATE INDEX prds_by_project ON aura.prds (project_id, seq DESC);

CREATE TABLE aura.jobs (
    id                    text PRIMARY KEY CHECK (id ~ '^job-[a-hjkmnp-tv-z2-9]{8}$'),
    seq                   bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    prd_id                text NOT NULL REFERENCES aura.prds,
    project_id            text NOT NULL REFERENCES aura.projects,
    task_key              text NOT NULL CHECK (task_key <> ''),
    title                 text NOT NULL CHECK (title <> ''),
    type                  text NOT NULL CHECK (type <> ''),
    role                  text NOT NULL CHECK (role <> ''),
    description           text NOT NULL DEFAULT '',
    payload               jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
    position              int NOT NULL CHECK (position >= 0),
    status                text NOT NULL DEFAULT 'QUEUED' CHECK (status IN
        ('QUEUED', 'ASSIGNED', 'IN_PROGRESS', 'SUBMITTED', 'VALIDATING', 'COMPLETED', 'ESCALATED', 'FAILED', 'CANCELLED')),
    status_reason         text,
    model                 text REFERENCES aura.models (name) ON UPDATE CASCADE,
    pinned_model          text REFERENCES aura.models (name) ON UPDATE CASCADE,
    attempt               int NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    retry_count           int NOT NULL DEFAULT 0 CHECK (retry_count >= 0),
    max_retries           int NOT NULL DEFAULT 2 CHECK (max_retries BETWEEN 0 AND 10),
    score                 double precision CHECK (score BETWEEN 0 AND 1),
    workflow_instance_id  text,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    UNIQUE (prd_id, task_key),
    UNIQUE (prd_id, position),
    CONSTRAINT jobs_retries_are_bounded CHECK (retry_count <= max_retries),
    CONSTRAINT jobs_work_needs_model CHECK (status NOT IN ('ASSIGNED', 'IN_PROGRESS', 'SUBMITTED', 'VALIDATING', 'COMPLETED')
        OR (model IS NOT NULL AND attempt > 0)),
    CONSTRAINT jobs_completion_needs_score CHECK (status <> 'COMPLETED' OR score IS NOT NULL),
    CONSTRAINT jobs_stop_needs_reason CHECK (status NOT IN ('ESCALATED', 'FAILED', 'CANCELLED') OR status_reason IS NOT NULL)
);
CREATE INDEX jobs_by_status ON aura.jobs (status, seq DESC);
CREATE INDEX jobs_by_prd ON aura.jobs (prd_id, seq);

CREATE TABLE aura.job_dependencies (
    job_id      text NOT NULL REFERENCES aura.jobs,
    depends_on  text NOT NULL REFERENCES aura.jobs,
    PRIMARY KEY (job_id, depends_on),
    CHECK (job_id <> depends_on)
);
CREATE INDEX job_dependencies_reverse ON aura.job_dependencies (depends_on);

-- The feed. Readers go by (xid, id) below the oldest running transaction, so a row that commits late is never passed by.
CREATE TABLE aura.job_events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    prd_id      text REFERENCES aura.prds,
    job_id      text REFERENCES aura.jobs,
    type        text NOT NULL CHECK (type ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$'),
    data        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX job_events_feed ON aura.job_events (xid, id);
CREATE INDEX job_events_of_prd ON aura.job_events (prd_id, xid, id);
CREATE INDEX job_events_of_job ON aura.job_events (job_id, xid, id);

CREATE FUNCTION aura.tell_event_readers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One empty payload: PostgreSQL folds equal notifications of a transaction into one. A hint only; the rows are the truth.
    IF EXISTS (SELECT FROM added) THEN
        PERFORM pg_notify('aura_events', '');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER job_events_tell_readers AFTER INSERT ON aura.job_events
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION aura.tell_event_readers();

CREATE TABLE aura.job_validation_ticks (
    job_id      text NOT NULL REFERENCES aura.jobs,
    attempt     int NOT NULL CHECK (attempt > 0),
    name        text NOT NULL CHECK (name <> ''),
    passed      boolean NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, attempt, name)
);

CREATE TABLE aura.sandboxes (
    id           text PRIMARY KEY,
    job_id       text NOT NULL REFERENCES aura.jobs,
    attempt      int NOT NULL CHECK (attempt > 0),
    project_id   text NOT NULL REFERENCES aura.projects,
    base_commit  text NOT NULL,
    path         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (job_id, attempt)
);

CREATE TABLE aura.snapshots (
    sandbox_id  text NOT NULL REFERENCES aura.sandboxes,
    sequence    int NOT NULL CHECK (sequence >= 0),
    label       text NOT NULL,
    commit      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sandbox_id, sequence)
);

CREATE TABLE aura.model_runs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id    bigint NOT NULL REFERENCES aura.models,
    job_id      text NOT NULL REFERENCES aura.jobs,
    attempt     int NOT NULL CHECK (attempt > 0),
    project_id  text NOT NULL REFERENCES aura.projects,
    success     boolean NOT NULL,
    confidence  double precision CHECK (confidence BETWEEN 0 AND 1),
    score       double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    details     jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- One attempt counts once, however often its task was delivered.
    UNIQUE (job_id, attempt)
);
CREATE INDEX model_runs_of_model ON aura.model_runs (model_id, created_at DESC) INCLUDE (score);

CREATE TABLE aura.model_scores (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id         bigint NOT NULL REFERENCES aura.models,
    window_start     timestamptz NOT NULL,
    window_end       timestamptz NOT NULL,
    avg_score        double precision NOT NULL CHECK (avg_score BETWEEN 0 AND 1),
    tasks_completed  int NOT NULL CHECK (tasks_completed >= 0),
    promotions       int NOT NULL DEFAULT 0 CHECK (promotions >= 0),
    penalties        double precision NOT NULL DEFAULT 0 CHECK (penalties >= 0),
    UNIQUE (model_id, window_start, window_end),
    CHECK (window_start < window_end)
);

CREATE TABLE aura.promotions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id      bigint NOT NULL REFERENCES aura.models,
    action        text NOT NULL CHECK (action IN ('promote', 'demote', 'restrict', 'restore')),
    reason        text NOT NULL CHECK (reason <> ''),
    performed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX promotions_of_model ON aura.promotions (model_id, performed_at DESC);

CREATE TABLE aura.model_artifacts (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id         text NOT NULL REFERENCES aura.jobs,
    model_id       bigint NOT NULL REFERENCES aura.models,
    attempt        int NOT NULL CHECK (attempt > 0),
    artifact_type  text NOT NULL CHECK (artifact_type IN ('diff', 'patch', 'result', 'docs')),
    artifact       jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, attempt, artifact_type)
);

CREATE TABLE aura.alerts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    type         text NOT NULL CHECK (type <> ''),
    message      text NOT NULL,
    prd_id       text REFERENCES aura.prds,
    job_id       text REFERENCES aura.jobs,
    data         jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz
);
CREATE INDEX alerts_open ON aura.alerts (created_at DESC) WHERE resolved_at IS NULL;

-- One row of each job and one (job_id null) of the PRD itself. A record is complete in itself: it refers to nothing that may go.
CREATE TABLE aura.archived_jobs (
    id               text PRIMARY KEY,
    seq              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    prd_id           text NOT NULL,
    job_id           text,
    project_id       text NOT NULL,
    title            text NOT NULL,
    status           text NOT NULL,
    record           jsonb NOT NULL CHECK (jsonb_typeof(record) = 'object'),
    archived_at      timestamptz NOT NULL DEFAULT now(),
    retention_until  timestamptz NOT NULL DEFAULT now() + interval '8760 hours',
    UNIQUE NULLS NOT DISTINCT (prd_id, job_id),
    -- 365 days, in hours: a day's length depends on the session's time zone.
    CONSTRAINT archived_jobs_kept_a_year CHECK (retention_until >= archived_at + interval '8760 hours')
);
CREATE INDEX archived_jobs_of_prds ON aura.archived_jobs (seq DESC) WHERE job_id IS NULL;

CREATE FUNCTION aura.keep_archive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.retention_until <= now() THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'archived_jobs: % is refused', TG_OP USING
        ERRCODE = 'restrict_violation',
        DETAIL = CASE TG_OP
            WHEN 'DELETE' THEN format('%s is kept until %s.', OLD.id, OLD.retention_until)
            ELSE 'An archived record never changes.' END;
END $$;
CREATE TRIGGER archived_jobs_keep BEFORE UPDATE OR DELETE ON aura.archived_jobs
    FOR EACH ROW EXECUTE FUNCTION aura.keep_archive();
CREATE TRIGGER archived_jobs_keep_all BEFORE TRUNCATE ON aura.archived_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION aura.keep_archive();

-- No foreign keys: an act stays on record even when what it was done to is gone.
CREATE TABLE aura.audit_logs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    actor       text NOT NULL CHECK (actor <> ''),
    action      text NOT NULL CHECK (action <> ''),
    prd_id      text,
    job_id      text,
    details     jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_logs_feed ON aura.audit_logs (xid, id);

CREATE FUNCTION aura.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % is refused, rows are only ever added', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON aura.audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION aura.refuse_change();
