-- What the invariants are checked against. Nothing here keeps a wrong row out: it is counted afterwards.
CREATE SCHEMA chaos;

-- Instances to be started, by whichever host comes first.
CREATE TABLE chaos.wanted (
    id             text PRIMARY KEY,
    definition_id  text NOT NULL,
    correlation_id text,
    not_before     timestamptz NOT NULL,
    -- When its signal is due, where it waits for one.
    signal_at      timestamptz,
    done           boolean NOT NULL DEFAULT false
);
CREATE INDEX ON chaos.wanted (not_before) WHERE NOT done;

-- Which effects an instance of a definition leaves.
CREATE TABLE chaos.steps (definition_id text, step text, PRIMARY KEY (definition_id, step));

CREATE TABLE chaos.signals (instance_id text PRIMARY KEY);

CREATE TABLE chaos.effects (
    n           bigint GENERATED ALWAYS AS IDENTITY,
    instance_id text NOT NULL,
    step        text NOT NULL,
    task_id     bigint,
    attempt     int,
    host        text NOT NULL,
    tx          xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ON chaos.effects (instance_id, step);

-- Every claim, and every commit under one, as the rows themselves saw them; n follows the order of the row's versions.
CREATE TABLE chaos.leases (
    n        bigint GENERATED ALWAYS AS IDENTITY,
    kind     text NOT NULL,
    id       text NOT NULL,
    event    text NOT NULL CHECK (event IN ('claim', 'commit')),
    owner    text,
    fence    bigint NOT NULL,
    attempt  int,
    previous text,
    tx       xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX ON chaos.leases (kind, id, n);
CREATE INDEX ON chaos.leases (tx);

CREATE FUNCTION chaos.watch_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO chaos.leases (kind, id, event, owner, fence, attempt) VALUES ('task', OLD.id, 'commit', OLD.owner, OLD.fence, OLD.attempt);
    ELSIF NEW.owner IS NOT NULL AND NEW.fence <> OLD.fence THEN
        INSERT INTO chaos.leases (kind, id, event, owner, fence, attempt) VALUES ('task', NEW.id, 'claim', NEW.owner, NEW.fence, NEW.attempt);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER chaos_watch AFTER UPDATE OR DELETE ON wf.tasks FOR EACH ROW EXECUTE FUNCTION chaos.watch_task();

CREATE FUNCTION chaos.watch_instance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.owner IS NOT NULL THEN
            INSERT INTO chaos.leases (kind, id, event, owner, fence) VALUES ('instance', NEW.id, 'claim', NEW.owner, NEW.fence);
        END IF;
    ELSIF NEW.fence = OLD.fence THEN
        INSERT INTO chaos.leases (kind, id, event, owner, fence) VALUES ('instance', NEW.id, 'commit', OLD.owner, OLD.fence);
    ELSIF NEW.owner IS NOT NULL THEN
        INSERT INTO chaos.leases (kind, id, event, owner, fence, previous) VALUES ('instance', NEW.id, 'claim', NEW.owner, NEW.fence, OLD.owner);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER chaos_watch AFTER INSERT OR UPDATE ON wf.instances FOR EACH ROW EXECUTE FUNCTION chaos.watch_instance();
