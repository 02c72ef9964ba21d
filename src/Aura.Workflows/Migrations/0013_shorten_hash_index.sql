-- Hashes come in no order, so each new bookmark's entry lands somewhere else in the index: beside a million bookmarks it must be small
-- enough to stay in memory. Eight digits tell bookmarks apart well enough; whoever looks one up compares the rest with the row.
DROP INDEX wf.bookmarks_by_hash;
CREATE INDEX bookmarks_by_hash ON wf.bookmarks (left(hash, 8));

-- For those who send a single stimulus from SQL, and for hosts of the version before.
CREATE OR REPLACE FUNCTION wf.send_stimulus(p_hash text, p_correlation_id text, p_payload json, p_keep interval) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    resumed int;
    started int;
BEGIN
    INSERT INTO wf.messages (instance_id, kind, target, payload)
    SELECT instance_id, 'Resume', id, p_payload FROM wf.bookmarks
    WHERE left(hash, 8) = left(p_hash, 8) AND hash = p_hash AND (p_correlation_id IS NULL OR correlation_id = p_correlation_id);
    GET DIAGNOSTICS resumed = ROW_COUNT;
    SELECT count(wf.start_from_trigger(t, p_correlation_id, p_payload)) INTO started FROM wf.triggers t WHERE t.hash = p_hash;
    IF resumed + started = 0 AND p_keep > interval '0' THEN
        INSERT INTO wf.stimuli (hash, correlation_id, payload, expires_at) VALUES (p_hash, p_correlation_id, p_payload, now() + p_keep);
    END IF;
    RETURN resumed + started;
END
$$;
