-- Makes room for commits of many instances in one statement: rows that are updated in place, few indexes, no triggers on the way.

-- A lease belongs to a host, not to an instance: one heartbeat a host. Nothing that a burst changes is indexed, so its
-- update stays within the page (HOT).
DROP INDEX wf.instances_leased;
ALTER TABLE wf.instances DROP CONSTRAINT instances_definition_version_id_fkey;
ALTER TABLE wf.instances DROP CONSTRAINT instances_check1;
ALTER TABLE wf.instances DROP COLUMN lease_until;
ALTER TABLE wf.instances
    ADD COLUMN activation_key text,
    -- Set with the first incident that ends the instance: an index over it is not touched by any other burst.
    ADD COLUMN is_faulted boolean NOT NULL DEFAULT false;
UPDATE wf.instances SET is_faulted = true WHERE sub_status = 'Faulted';
CREATE INDEX instances_faulted ON wf.instances (created_at DESC) WHERE is_faulted;
ALTER TABLE wf.instances ALTER COLUMN id TYPE text COLLATE "C", ALTER COLUMN parent_instance_id TYPE text COLLATE "C";
ALTER TABLE wf.instances SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);

ALTER TABLE wf.hosts ADD COLUMN lease_until timestamptz NOT NULL DEFAULT now() + interval '1 minute';

-- A check of a foreign key costs more than the insert. Whoever deletes an instance deletes what hangs on it.
ALTER TABLE wf.bookmarks DROP CONSTRAINT bookmarks_instance_id_fkey;
ALTER TABLE wf.bookmarks ALTER COLUMN id TYPE text COLLATE "C", ALTER COLUMN instance_id TYPE text COLLATE "C", ALTER COLUMN hash TYPE text COLLATE "C";
ALTER TABLE wf.bookmarks SET (fillfactor = 100, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);

ALTER TABLE wf.messages DROP CONSTRAINT messages_kind_check;
ALTER TABLE wf.messages ADD CHECK (kind IN ('Start', 'Resume', 'Stimulus', 'Task', 'Cancel', 'Retry', 'Alter'));
ALTER TABLE wf.messages ALTER COLUMN instance_id TYPE text COLLATE "C";
ALTER TABLE wf.messages SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

ALTER TABLE wf.tasks DROP CONSTRAINT tasks_instance_id_fkey;
DROP INDEX wf.tasks_leased, wf.tasks_available;
ALTER TABLE wf.tasks ALTER COLUMN instance_id TYPE text COLLATE "C", ALTER COLUMN activity_instance_id TYPE text COLLATE "C", ALTER COLUMN queue TYPE text COLLATE "C";
ALTER TABLE wf.tasks
    ADD COLUMN priority int NOT NULL DEFAULT 0,
    ADD COLUMN concurrency_key text,
    ADD COLUMN concurrency_limit int NOT NULL DEFAULT 1 CHECK (concurrency_limit > 0);
CREATE INDEX tasks_available ON wf.tasks (queue, priority DESC, available_at, id);
CREATE INDEX tasks_by_concurrency_key ON wf.tasks (concurrency_key) WHERE concurrency_key IS NOT NULL;
ALTER TABLE wf.tasks SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- What a commit adds to an instance's history, in one row: the runs of activities that it touched, as they then stood, and the
-- journal's lines. The document's shape stands with the engine's class History; the views below read it. Append only.
CREATE TABLE wf.history (
    instance_id text COLLATE "C" NOT NULL,
    -- The journal's last sequence number when the row was written.
    sequence    bigint NOT NULL,
    entries     json NOT NULL,
    PRIMARY KEY (instance_id, sequence)
);
-- Up to 8 kB a row stays where it is: compressing it and moving it away would cost more than the rest of the insert.
ALTER TABLE wf.history SET (toast_tuple_target = 8160, autovacuum_vacuum_insert_scale_factor = 0.1);
ALTER TABLE wf.instances SET (toast_tuple_target = 8160);

INSERT INTO wf.history (instance_id, sequence, entries)
WITH runs AS (
    SELECT a.*, row_number() OVER (PARTITION BY a.instance_id ORDER BY a.started_at, a.id) - 1 AS place FROM wf.activity_executions a
)
SELECT i.id, coalesce((SELECT max(j.sequence) FROM wf.journal j WHERE j.instance_id = i.id), 0), json_build_object(
    't', 0,
    'x', (SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
              'i', a.id, 'p', a.parent_id, 'n', a.node_id, 'y', a.activity_type, 'm', a.activity_name, 's', nullif(a.status, 'Completed'),
              'w', CASE WHEN a.has_bookmarks THEN 1 END, 'a', a.activity_state, 'o', a.outputs, 'l', a.payload, 'r', a.exception,
              'b', (extract(epoch FROM a.started_at) * 1000000)::bigint, 'c', (extract(epoch FROM a.completed_at) * 1000000)::bigint))
              ORDER BY a.place), '[]')
          FROM runs a WHERE a.instance_id = i.id),
    'e', (SELECT coalesce(json_agg(json_build_array(
              a.place, CASE j.event_name WHEN 'Started' THEN 'S' WHEN 'Completed' THEN 'C' ELSE j.event_name END,
              (extract(epoch FROM j.created_at) * 1000000)::bigint, j.message, j.payload) ORDER BY j.sequence), '[]')
          FROM wf.journal j JOIN runs a ON a.instance_id = j.instance_id AND a.id = j.activity_instance_id WHERE j.instance_id = i.id))
FROM wf.instances i;
DROP TABLE wf.journal, wf.activity_executions;

CREATE VIEW wf.journal AS
SELECT h.instance_id, h.sequence - json_array_length(h.entries->'e') + j.place AS sequence,
       h.instance_id || ':' || (h.sequence - json_array_length(h.entries->'e') + j.place) AS id, r.x->>'i' AS activity_instance_id,
       r.x->>'p' AS parent_activity_instance_id, split_part(r.x->>'n', ':', -1) AS activity_id, r.x->>'n' AS node_id, r.x->>'y' AS activity_type,
       r.x->>'m' AS activity_name, CASE j.e->>1 WHEN 'S' THEN 'Started' WHEN 'C' THEN 'Completed' ELSE j.e->>1 END AS event_name, j.e->>3 AS message,
       CASE WHEN json_typeof(j.e->4) <> 'null' THEN j.e->4 WHEN j.e->>1 = 'C' THEN '{"Outcomes":["Done"]}'::json END AS payload,
       to_timestamp(((h.entries->>'t')::bigint + (j.e->>2)::bigint)::double precision / 1000000) AS created_at
FROM wf.history h
CROSS JOIN LATERAL json_array_elements(h.entries->'e') WITH ORDINALITY AS j(e, place)
CROSS JOIN LATERAL (SELECT h.entries->'x'->((j.e->>0)::int) AS x) AS r;

CREATE VIEW wf.activity_executions AS
SELECT DISTINCT ON (h.instance_id, x.i)
       x.i AS id, h.instance_id, x.p AS parent_id, split_part(x.n, ':', -1) AS activity_id, x.n AS node_id, x.y AS activity_type, x.m AS activity_name,
       coalesce(x.s, 'Completed') AS status, x.w IS NOT NULL AS has_bookmarks, x.a AS activity_state, x.o AS outputs,
       coalesce(x.l, CASE WHEN x.s IS NULL THEN '{"Outcomes":["Done"]}'::json END) AS payload, x.r AS exception,
       to_timestamp(((h.entries->>'t')::bigint + x.b)::double precision / 1000000) AS started_at,
       to_timestamp(((h.entries->>'t')::bigint + x.c)::double precision / 1000000) AS completed_at
FROM wf.history h
CROSS JOIN LATERAL json_to_recordset(h.entries->'x') AS x(
    i text, p text, n text, y text, m text, s text, w int, a json, o json, l json, r json, b bigint, c bigint)
ORDER BY h.instance_id, x.i, h.sequence DESC;

CREATE FUNCTION wf.new_instance_id() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)
$$;

CREATE FUNCTION wf.activation_key(strategy text, definition_id text, correlation_id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE strategy
        WHEN 'Singleton' THEN 'definition|' || definition_id
        WHEN 'CorrelatedSingleton' THEN 'definition|' || definition_id || '|' || coalesce(correlation_id, '')
        WHEN 'Correlation' THEN 'correlation|' || nullif(correlation_id, '')
    END
$$;

-- Starts an instance for one trigger, unless its activation strategy forbids it. Returns the instance's id or null.
CREATE FUNCTION wf.start_from_trigger(p_trigger wf.triggers, p_correlation_id text, p_payload json) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    new_id text := wf.new_instance_id();
    key text := wf.activation_key(p_trigger.activation_strategy, p_trigger.definition_id, p_correlation_id);
BEGIN
    IF key IS NOT NULL THEN
        INSERT INTO wf.activations (key, instance_id) VALUES (key, new_id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, correlation_id, activation_key, state)
    VALUES (new_id, p_trigger.definition_id, p_trigger.version_id, p_trigger.version, 'Running', 'Pending', p_correlation_id, key,
            json_build_object('status', 'Running', 'subStatus', 'Pending', 'triggerActivityId', p_trigger.activity_id, 'input', coalesce(p_payload, '{}')));
    INSERT INTO wf.messages (instance_id, kind) VALUES (new_id, 'Start');
    RETURN new_id;
END
$$;

-- Delivers a stimulus: to every bookmark and trigger with the hash. One that meets nobody is kept for a while.
CREATE FUNCTION wf.send_stimulus(p_hash text, p_correlation_id text, p_payload json, p_keep interval) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    resumed int;
    started int;
BEGIN
    INSERT INTO wf.messages (instance_id, kind, target, payload)
    SELECT instance_id, 'Resume', id, p_payload FROM wf.bookmarks WHERE hash = p_hash AND (p_correlation_id IS NULL OR correlation_id = p_correlation_id);
    GET DIAGNOSTICS resumed = ROW_COUNT;
    SELECT count(wf.start_from_trigger(t, p_correlation_id, p_payload)) INTO started FROM wf.triggers t WHERE t.hash = p_hash;
    IF resumed + started = 0 AND p_keep > interval '0' THEN
        INSERT INTO wf.stimuli (hash, correlation_id, payload, expires_at) VALUES (p_hash, p_correlation_id, p_payload, now() + p_keep);
    END IF;
    RETURN resumed + started;
END
$$;

-- Claims tasks with a concurrency key: as many of each key as its limit leaves, whatever host asks. The lock makes the count true.
CREATE FUNCTION wf.claim_keyed_tasks(p_owner text, p_from text, p_to text, p_room int, p_lease interval) RETURNS SETOF wf.tasks LANGUAGE plpgsql AS $$
DECLARE
    k record;
    free int;
    left_room int := p_room;
    n int;
BEGIN
    FOR k IN
        SELECT t.concurrency_key AS key, min(t.concurrency_limit) AS most FROM wf.tasks t
        WHERE t.concurrency_key IS NOT NULL AND t.queue >= p_from AND t.queue <= p_to
          AND t.available_at <= now() AND (t.lease_until IS NULL OR t.lease_until < now())
        GROUP BY t.concurrency_key ORDER BY t.concurrency_key
    LOOP
        EXIT WHEN left_room <= 0;
        -- Who finds the key busy comes back at the next look.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(987654303, hashtext(k.key));
        SELECT k.most - count(*) INTO free FROM wf.tasks t WHERE t.concurrency_key = k.key AND t.lease_until >= now();
        CONTINUE WHEN free <= 0;
        RETURN QUERY
            WITH next AS (
                SELECT t.id FROM wf.tasks t
                WHERE t.concurrency_key = k.key AND t.queue >= p_from AND t.queue <= p_to AND t.available_at <= now()
                  AND (t.lease_until IS NULL OR t.lease_until < now())
                ORDER BY t.priority DESC, t.available_at, t.id LIMIT least(free, left_room) FOR UPDATE SKIP LOCKED)
            UPDATE wf.tasks t SET owner = p_owner, fence = t.fence + 1, attempt = t.attempt + 1, lease_until = now() + p_lease, started_at = now()
            FROM next WHERE t.id = next.id
            RETURNING t.*;
        GET DIAGNOSTICS n = ROW_COUNT;
        left_room := left_room - n;
    END LOOP;
END
$$;
