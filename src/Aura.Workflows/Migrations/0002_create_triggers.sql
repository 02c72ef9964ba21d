-- What starts instances: one row for each trigger of a published version, written by the transaction that publishes it.
CREATE TABLE wf.triggers (
    id                  text COLLATE "C" PRIMARY KEY,
    definition_id       text NOT NULL,
    version_id          text NOT NULL,
    version             int  NOT NULL,
    activity_id         text NOT NULL,
    -- The stimulus' name ('Elsa.Event', 'Elsa.HttpEndpoint' …); hash is upper-case hex SHA-256 over name and payload.
    name                text NOT NULL,
    hash                text COLLATE "C" NOT NULL,
    payload             json,
    -- How instances of the definition may stand beside each other: null (always), 'Singleton', 'CorrelatedSingleton', 'Correlation'.
    activation_strategy text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (definition_id, activity_id, hash)
);
CREATE INDEX triggers_by_hash ON wf.triggers (hash);
CREATE INDEX triggers_by_name ON wf.triggers (name);

-- Triggers that fire by the clock. next_at is null when there is no further time.
CREATE TABLE wf.schedules (
    definition_id       text NOT NULL,
    activity_id         text NOT NULL,
    kind                text NOT NULL CHECK (kind IN ('Timer', 'Cron', 'StartAt')),
    expression          text NOT NULL,
    time_zone           text NOT NULL DEFAULT 'UTC',
    -- What happens to times that passed while no host ran: fire once for all of them, or skip them.
    catch_up            text NOT NULL DEFAULT 'FireOnce' CHECK (catch_up IN ('FireOnce', 'Skip')),
    next_at             timestamptz,
    last_fired_at       timestamptz,
    PRIMARY KEY (definition_id, activity_id)
);
CREATE INDEX schedules_due ON wf.schedules (next_at) WHERE next_at IS NOT NULL;

-- Stimuli that met nobody. A bookmark that comes within their time still gets them.
CREATE TABLE wf.stimuli (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash           text COLLATE "C" NOT NULL,
    correlation_id text,
    payload        json,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL
);
CREATE INDEX stimuli_by_hash ON wf.stimuli (hash);
CREATE INDEX stimuli_by_expiry ON wf.stimuli (expires_at);

-- Running instances that exclude others. The primary key is the lock: two starts at once cannot both insert.
-- Keys: 'definition|ID', 'definition|ID|CORRELATION', 'correlation|CORRELATION'.
CREATE TABLE wf.activations (
    key         text COLLATE "C" PRIMARY KEY,
    instance_id text COLLATE "C" NOT NULL
);
CREATE INDEX activations_by_instance ON wf.activations (instance_id);

-- Answers of workflows to HTTP requests that wait for them, written by the commit of the burst that answers.
-- Read and deleted by the host that holds the request; what nobody took is swept.
CREATE TABLE wf.http_responses (
    request_id text COLLATE "C" PRIMARY KEY,
    status     int NOT NULL,
    headers    json NOT NULL,
    body       bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);
