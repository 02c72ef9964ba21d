-- Instances with incidents are few among many: a list of them must not read the others. The count changes only with an incident, so
-- all other updates of an instance stay within the page.
CREATE INDEX instances_with_incidents ON wf.instances (created_at DESC, id) WHERE incident_count > 0;

-- Lists of instances leave out those of system workflows.
CREATE INDEX definitions_system ON wf.definitions (definition_id) WHERE is_system;

-- Changes that a person ordered for many instances at once. What became of them stands in the instances' journals.
CREATE TABLE wf.alteration_plans (
    id           text COLLATE "C" PRIMARY KEY,
    alterations  json NOT NULL,
    filter       json,
    instance_ids text[] NOT NULL,
    -- Who ordered it.
    actor        text,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alteration_plans_by_time ON wf.alteration_plans (created_at);

-- A run that waits for a bookmark is blocked; one whose durable task is under way (w = 2) is at work.
CREATE OR REPLACE VIEW wf.activity_executions AS
SELECT DISTINCT ON (h.instance_id, x.i)
       x.i AS id, h.instance_id, x.p AS parent_id, split_part(x.n, ':', -1) AS activity_id, x.n AS node_id, x.y AS activity_type, x.m AS activity_name,
       coalesce(x.s, 'Completed') AS status, coalesce(x.w, 0) = 1 AS has_bookmarks, x.a AS activity_state, x.o AS outputs,
       coalesce(x.l, CASE WHEN x.s IS NULL THEN '{"Outcomes":["Done"]}'::json END) AS payload, x.r AS exception,
       to_timestamp(((h.entries->>'t')::bigint + x.b)::double precision / 1000000) AS started_at,
       to_timestamp(((h.entries->>'t')::bigint + x.c)::double precision / 1000000) AS completed_at
FROM wf.history h
CROSS JOIN LATERAL json_to_recordset(h.entries->'x') AS x(
    i text, p text, n text, y text, m text, s text, w int, a json, o json, l json, r json, b bigint, c bigint)
ORDER BY h.instance_id, x.i, h.sequence DESC;
