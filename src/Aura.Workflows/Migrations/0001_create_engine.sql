CREATE TABLE wf.definitions (
    version_id      text PRIMARY KEY,
    definition_id   text NOT NULL,
    version         int  NOT NULL CHECK (version > 0),
    name            text,
    is_latest       boolean NOT NULL,
    is_published    boolean NOT NULL,
    content_hash    text NOT NULL,
    -- The hash of the file this version came from; null once a person has saved it.
    source_hash     text,
    document        json NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (definition_id, version)
);
CREATE UNIQUE INDEX definitions_one_latest ON wf.definitions (definition_id) WHERE is_latest;
CREATE UNIQUE INDEX definitions_one_published ON wf.definitions (definition_id) WHERE is_published;

CREATE TABLE wf.instances (
    id                    text PRIMARY KEY,
    definition_id         text NOT NULL,
    definition_version_id text NOT NULL REFERENCES wf.definitions,
    version               int  NOT NULL,
    status                text NOT NULL CHECK (status IN ('Running', 'Finished')),
    sub_status            text NOT NULL,
    correlation_id        text,
    name                  text,
    parent_instance_id    text,
    parent_bookmark_id    text,
    incident_count        int  NOT NULL DEFAULT 0,
    -- The lease: who runs a burst of it now. Every claim raises the fence; a commit with an older one hits no row.
    owner                 text,
    fence                 bigint NOT NULL DEFAULT 0,
    lease_until           timestamptz,
    -- Commits that failed in a row; too many set the instance aside with an incident.
    failed_commits        int NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    finished_at           timestamptz,
    state                 json NOT NULL,
    CHECK ((status = 'Running' AND sub_status IN ('Pending', 'Executing', 'Suspended'))
        OR (status = 'Finished' AND sub_status IN ('Finished', 'Cancelled', 'Faulted'))),
    CHECK ((owner IS NULL) = (lease_until IS NULL)),
    CHECK ((status = 'Finished') = (finished_at IS NOT NULL))
);
CREATE INDEX instances_by_definition ON wf.instances (definition_id, created_at DESC);
CREATE INDEX instances_by_creation ON wf.instances (created_at DESC, id);
CREATE INDEX instances_by_correlation ON wf.instances (correlation_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX instances_by_parent ON wf.instances (parent_instance_id) WHERE parent_instance_id IS NOT NULL;
CREATE INDEX instances_leased ON wf.instances (owner) WHERE owner IS NOT NULL;

-- What wakes an instance. No foreign key: an instance and its messages come in any order within a commit,
-- and what arrives for a finished instance is swept.
CREATE TABLE wf.messages (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('Start', 'Resume', 'Stimulus', 'Task', 'Cancel')),
    target      text,
    payload     json,
    due_at      timestamptz NOT NULL DEFAULT now(),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_due ON wf.messages (due_at, instance_id);
CREATE INDEX messages_by_instance ON wf.messages (instance_id);

CREATE TABLE wf.bookmarks (
    id                   text PRIMARY KEY,
    instance_id          text NOT NULL REFERENCES wf.instances ON DELETE CASCADE,
    name                 text NOT NULL,
    hash                 text NOT NULL,
    payload              json,
    correlation_id       text,
    activity_id          text NOT NULL,
    activity_node_id     text NOT NULL,
    activity_instance_id text NOT NULL,
    created_at           timestamptz NOT NULL
);
CREATE INDEX bookmarks_by_hash ON wf.bookmarks (hash);
CREATE INDEX bookmarks_by_instance ON wf.bookmarks (instance_id);

CREATE TABLE wf.tasks (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance_id          text NOT NULL REFERENCES wf.instances ON DELETE CASCADE,
    activity_instance_id text NOT NULL UNIQUE,
    node_id              text NOT NULL,
    activity_type        text NOT NULL,
    queue                text NOT NULL,
    input                json NOT NULL,
    attempt              int NOT NULL DEFAULT 0,
    max_attempts         int NOT NULL CHECK (max_attempts > 0),
    timeout_seconds      double precision NOT NULL CHECK (timeout_seconds > 0),
    available_at         timestamptz NOT NULL DEFAULT now(),
    owner                text,
    fence                bigint NOT NULL DEFAULT 0,
    lease_until          timestamptz,
    last_error           text,
    created_at           timestamptz NOT NULL DEFAULT now(),
    started_at           timestamptz,
    CHECK ((owner IS NULL) = (lease_until IS NULL))
);
CREATE INDEX tasks_available ON wf.tasks (queue, available_at, id);
CREATE INDEX tasks_by_instance ON wf.tasks (instance_id);
CREATE INDEX tasks_leased ON wf.tasks (owner) WHERE owner IS NOT NULL;

CREATE TABLE wf.activity_executions (
    id                   text PRIMARY KEY,
    instance_id          text NOT NULL REFERENCES wf.instances ON DELETE CASCADE,
    parent_id            text,
    activity_id          text NOT NULL,
    node_id              text NOT NULL,
    activity_type        text NOT NULL,
    activity_name        text,
    status               text NOT NULL,
    has_bookmarks        boolean NOT NULL,
    activity_state       json,
    outputs              json,
    payload              json,
    exception            json,
    started_at           timestamptz NOT NULL,
    completed_at         timestamptz
);
CREATE INDEX activity_executions_by_instance ON wf.activity_executions (instance_id, node_id, started_at);

-- Append only.
CREATE TABLE wf.journal (
    instance_id          text NOT NULL REFERENCES wf.instances ON DELETE CASCADE,
    sequence             bigint NOT NULL,
    id                   text NOT NULL,
    activity_instance_id text NOT NULL,
    parent_activity_instance_id text,
    activity_id          text NOT NULL,
    node_id              text NOT NULL,
    activity_type        text NOT NULL,
    activity_name        text,
    event_name           text NOT NULL,
    message              text,
    payload              json,
    created_at           timestamptz NOT NULL,
    PRIMARY KEY (instance_id, sequence)
);

-- Live hosts. Each holds a session advisory lock on its number: a free lock means that the process is gone,
-- long before its leases run out.
CREATE TABLE wf.hosts (
    id         text PRIMARY KEY,
    number     int GENERATED ALWAYS AS IDENTITY UNIQUE,
    name       text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
);
