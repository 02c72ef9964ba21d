-- Copies a finished PRD ($1, in one of the states $2) and each of its jobs into the archive. A record needs no other row to be read.
WITH prd AS (
    SELECT * FROM aura.prds WHERE id = $1 AND status = ANY($2)
        AND NOT EXISTS (SELECT FROM aura.archived_jobs a WHERE a.prd_id = $1)
)
INSERT INTO aura.archived_jobs (id, prd_id, job_id, project_id, title, status, record)
SELECT 'arc-' || p.id, p.id, NULL, p.project_id, p.title, p.status,
    to_jsonb(p) - 'diff' || jsonb_build_object(
        'diff_base64', encode(p.diff, 'base64'),
        'jobs', coalesce((SELECT jsonb_agg(j.id ORDER BY j.position) FROM aura.jobs j WHERE j.prd_id = p.id), '[]'),
        'events', coalesce((SELECT jsonb_agg(to_jsonb(e) - 'prd_id' - 'job_id' ORDER BY e.xid, e.id)
            FROM aura.job_events e WHERE e.prd_id = p.id AND e.job_id IS NULL), '[]'),
        'audit', coalesce((SELECT jsonb_agg(to_jsonb(l) ORDER BY l.xid, l.id) FROM aura.audit_logs l WHERE l.prd_id = p.id), '[]'))
FROM prd p
UNION ALL
SELECT 'arc-' || j.id, j.prd_id, j.id, j.project_id, j.title, j.status,
    to_jsonb(j) || jsonb_build_object(
        'depends_on', coalesce((SELECT jsonb_agg(d.depends_on) FROM aura.job_dependencies d WHERE d.job_id = j.id), '[]'),
        'ticks', coalesce((SELECT jsonb_agg(to_jsonb(t) - 'job_id' ORDER BY t.attempt, t.created_at)
            FROM aura.job_validation_ticks t WHERE t.job_id = j.id), '[]'),
        'runs', coalesce((SELECT jsonb_agg(to_jsonb(r) - 'job_id' || jsonb_build_object('model', m.name) ORDER BY r.attempt)
            FROM aura.model_runs r JOIN aura.models m ON m.id = r.model_id WHERE r.job_id = j.id), '[]'),
        'artifacts', coalesce((SELECT jsonb_agg(to_jsonb(f) - 'job_id' || jsonb_build_object('model', m.name) ORDER BY f.attempt)
            FROM aura.model_artifacts f JOIN aura.models m ON m.id = f.model_id WHERE f.job_id = j.id), '[]'),
        'snapshots', coalesce((SELECT jsonb_agg(to_jsonb(s) ORDER BY b.attempt, s.sequence)
            FROM aura.snapshots s JOIN aura.sandboxes b ON b.id = s.sandbox_id WHERE b.job_id = j.id), '[]'),
        'events', coalesce((SELECT jsonb_agg(to_jsonb(e) - 'prd_id' - 'job_id' ORDER BY e.xid, e.id)
            FROM aura.job_events e WHERE e.job_id = j.id), '[]'))
FROM prd p JOIN aura.jobs j ON j.prd_id = p.id
