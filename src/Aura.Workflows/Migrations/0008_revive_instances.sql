-- Lets an instance that ended as faulted run again. It gave its activation key back when it ended: it must get it again.
-- Does nothing to an instance that did not end so.
CREATE FUNCTION wf.revive(p_instance_id text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted text;
    holder text;
BEGIN
    SELECT activation_key INTO wanted FROM wf.instances WHERE id = p_instance_id AND sub_status = 'Faulted' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF wanted IS NOT NULL THEN
        INSERT INTO wf.activations (key, instance_id) VALUES (wanted, p_instance_id) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            SELECT instance_id INTO holder FROM wf.activations WHERE key = wanted;
            RAISE EXCEPTION 'Instance % cannot run again: its place (%) is taken by instance %.', p_instance_id, wanted, holder
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'activations_pkey', TABLE = 'activations', SCHEMA = 'wf';
        END IF;
    END IF;
    UPDATE wf.instances SET status = 'Running', sub_status = 'Suspended', finished_at = NULL WHERE id = p_instance_id;
END
$$;
