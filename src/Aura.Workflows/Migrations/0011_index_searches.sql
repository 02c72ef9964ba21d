-- A search for a part of a name or a correlation id reads these from end to end, and no rows: so the id stands in them.
DROP INDEX wf.instances_by_correlation;
CREATE INDEX instances_by_correlation ON wf.instances (correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX instances_by_name ON wf.instances (name, id) WHERE name IS NOT NULL;
