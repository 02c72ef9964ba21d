-- Tasks may be claimed for a worker outside the hosts, and only some of a queue: those whose inputs hold given values.

-- json keeps what jsonb refuses; a NUL in one task's text must not stand in the way of all others.
CREATE FUNCTION wf.task_matches(p_input json, p_match jsonb[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT p_match IS NULL OR replace(p_input::text, '\u0000', '\u0020')::jsonb @> ANY (p_match)
$$;

-- As before; with a match it passes over all others. Null: none is passed over.
DROP FUNCTION wf.claim_keyed_tasks(text, text, text, int, interval);
CREATE FUNCTION wf.claim_keyed_tasks(
    p_owner text, p_from text, p_to text, p_room int, p_lease interval, p_match jsonb[] DEFAULT NULL) RETURNS SETOF wf.tasks LANGUAGE plpgsql AS $$
DECLARE
    k record;
    free int;
    left_room int := p_room;
    n int;
BEGIN
    FOR k IN
        SELECT t.concurrency_key AS key, min(t.concurrency_limit) AS most FROM wf.tasks t
        WHERE t.concurrency_key IS NOT NULL AND t.queue >= p_from AND t.queue <= p_to
          AND t.available_at <= now() AND (t.lease_until IS NULL OR t.lease_until < now()) AND (p_match IS NULL OR wf.task_matches(t.input, p_match))
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
                  AND (t.lease_until IS NULL OR t.lease_until < now()) AND (p_match IS NULL OR wf.task_matches(t.input, p_match))
                ORDER BY t.priority DESC, t.available_at, t.id LIMIT least(free, left_room) FOR UPDATE SKIP LOCKED)
            UPDATE wf.tasks t SET owner = p_owner, fence = t.fence + 1, attempt = t.attempt + 1, lease_until = now() + p_lease, started_at = now()
            FROM next WHERE t.id = next.id
            RETURNING t.*;
        GET DIAGNOSTICS n = ROW_COUNT;
        left_room := left_room - n;
    END LOOP;
END
$$;

-- What was answered from outside, under which lease, and with what: an answer that comes again gets the same word as at first.
CREATE TABLE wf.task_answers (
    task_id      bigint NOT NULL,
    fence        bigint NOT NULL,
    hash         text NOT NULL,
    answered_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, fence)
);
CREATE INDEX task_answers_by_time ON wf.task_answers (answered_at);
