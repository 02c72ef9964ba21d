using System.Globalization;
using Npgsql;

namespace Aura.Bench.Chaos;

/// <summary>What must hold when all is quiet. The statement selects the rows that break it.</summary>
internal sealed record Invariant(string Name, string OffendersSql)
{
    private const string MustFault = "('chaos-faults')";

    public static readonly IReadOnlyList<Invariant> All =
    [
        new("every instance that was wanted was started, and has finished", $"""
            SELECT w.id, w.definition_id, w.done, i.sub_status, i.owner, i.fence FROM chaos.wanted w LEFT JOIN wf.instances i ON i.id = w.id
            WHERE NOT w.done OR i.status IS DISTINCT FROM 'Finished' AND NOT (w.definition_id = '{ChaosDefinition.Exclusive}' AND i.id IS NULL)
            """),
        new("no instance exists that nobody wanted, and each parent has two children", $"""
            SELECT i.id, i.definition_id, i.parent_instance_id FROM wf.instances i
            WHERE NOT EXISTS (SELECT FROM chaos.wanted w WHERE w.id = i.id) AND (i.definition_id <> 'chaos-child' OR i.parent_instance_id IS NULL)
            UNION ALL
            SELECT i.id, i.definition_id, count(c.id)::text FROM wf.instances i LEFT JOIN wf.instances c ON c.parent_instance_id = i.id
            WHERE i.definition_id = '{ChaosDefinition.Parent}' GROUP BY i.id, i.definition_id HAVING count(c.id) <> 2
            """),
        new("no instance has faulted, except those that must", $"""
            SELECT id, definition_id, sub_status, state->'incidents'->-1->>'message' AS incident FROM wf.instances
            WHERE status = 'Finished' AND sub_status <> CASE WHEN definition_id IN {MustFault} THEN 'Faulted' ELSE 'Finished' END
            """),
        new("every step has had its effect exactly once", """
            SELECT i.id, i.definition_id, s.step, count(e.n) AS effects, string_agg(e.host || '#' || coalesce(e.attempt, 0), ', ') AS "by"
            FROM wf.instances i JOIN chaos.steps s USING (definition_id)
            LEFT JOIN chaos.effects e ON e.instance_id = i.id AND e.step = s.step
            WHERE i.status = 'Finished' GROUP BY i.id, i.definition_id, s.step HAVING count(e.n) <> 1
            UNION ALL
            SELECT e.instance_id, NULL, e.step, 0, e.host FROM chaos.effects e
            WHERE NOT EXISTS (SELECT FROM wf.instances i JOIN chaos.steps s USING (definition_id) WHERE i.id = e.instance_id AND s.step = e.step)
            """),
        new("no effect of a task whose lease was lost: it came with the answer, by the host and attempt of the last claim", """
            SELECT e.instance_id, e.step, e.task_id, e.host, e.attempt, a.fence AS answered, c.fence AS last_claim, c.owner, c.attempt AS last_attempt
            FROM chaos.effects e
            LEFT JOIN chaos.leases a ON a.kind = 'task' AND a.id = e.task_id::text AND a.event = 'commit' AND a.tx = e.tx
            LEFT JOIN LATERAL (
                SELECT * FROM chaos.leases c WHERE c.kind = 'task' AND c.id = e.task_id::text AND c.event = 'claim' ORDER BY c.n DESC LIMIT 1) c ON true
            WHERE e.task_id IS NOT NULL AND (a.fence IS DISTINCT FROM c.fence OR c.owner <> e.host OR c.attempt <> e.attempt OR a.n < c.n)
            """),
        new("no effect of a burst whose lease was lost: it came with a commit of its host, under the last claim so far", """
            SELECT e.instance_id, e.step, e.host, m.fence AS committed, m.owner, c.fence AS last_claim FROM chaos.effects e
            LEFT JOIN chaos.leases m ON m.kind = 'instance' AND m.id = e.instance_id AND m.event = 'commit' AND m.tx = e.tx
            LEFT JOIN LATERAL (
                SELECT * FROM chaos.leases c WHERE c.kind = 'instance' AND c.id = e.instance_id AND c.event = 'claim' AND c.n < m.n
                ORDER BY c.n DESC LIMIT 1) c ON true
            WHERE e.task_id IS NULL AND (m.fence IS DISTINCT FROM c.fence OR m.owner IS DISTINCT FROM e.host)
            """),
        new("an instance was only ever claimed while it was free, under a fence above all before", """
            SELECT * FROM (
                SELECT *, lag(fence) OVER (PARTITION BY kind, id ORDER BY n) AS before FROM chaos.leases WHERE event = 'claim') c
            WHERE previous IS NOT NULL OR fence <= before
            """),
        new("the journal of each instance counts from 1 without a gap or a double", """
            SELECT instance_id, count(*), count(DISTINCT sequence), min(sequence), max(sequence) FROM wf.journal
            GROUP BY instance_id HAVING count(DISTINCT sequence) <> count(*) OR min(sequence) <> 1 OR max(sequence) <> count(*)
            UNION ALL
            SELECT id, 0, 0, 0, 0 FROM wf.instances i WHERE NOT EXISTS (SELECT FROM wf.history h WHERE h.instance_id = i.id)
            """),
        new("each run of an activity has started once, then completed once, inside its parent's", $"""
            WITH runs AS MATERIALIZED (
                SELECT j.instance_id, j.activity_instance_id AS id, max(j.parent_activity_instance_id) AS parent, max(j.activity_id) AS activity,
                       count(*) FILTER (WHERE event_name = 'Started') AS started, count(*) FILTER (WHERE event_name = 'Completed') AS completed,
                       min(sequence) FILTER (WHERE event_name = 'Started') AS first, max(sequence) FILTER (WHERE event_name = 'Completed') AS last
                FROM wf.journal j GROUP BY j.instance_id, j.activity_instance_id
            )
            SELECT r.instance_id, r.activity, r.started, r.completed, r.first, r.last, p.first AS parent_first, p.last AS parent_last
            FROM runs r JOIN wf.instances i ON i.id = r.instance_id LEFT JOIN runs p ON p.instance_id = r.instance_id AND p.id = r.parent
            WHERE r.started <> 1 OR (i.sub_status = 'Finished' AND r.completed <> 1) OR r.completed > 1 OR r.last < r.first
               OR p.first > r.first OR p.last < r.last OR (r.parent IS NOT NULL AND p.id IS NULL)
            """),
        new("nothing is left: no message, task, bookmark, stimulus, exclusion, owner", """
            SELECT 'message' AS what, instance_id, kind, due_at::text FROM wf.messages
            UNION ALL SELECT 'task', instance_id, activity_type, owner FROM wf.tasks
            UNION ALL SELECT 'bookmark', instance_id, name, NULL FROM wf.bookmarks
            UNION ALL SELECT 'stimulus', hash, NULL, NULL FROM wf.stimuli
            UNION ALL SELECT 'activation', instance_id, key, NULL FROM wf.activations
            UNION ALL SELECT 'owner', id, status, owner FROM wf.instances WHERE owner IS NOT NULL
            """),
    ];

    /// <summary>Holds after the last host has stopped in order.</summary>
    public static readonly Invariant HostsGone = new(
        "hosts that stop leave nothing behind", "SELECT id, lease_until::text FROM wf.hosts UNION ALL SELECT id, owner FROM wf.instances WHERE owner IS NOT NULL");

    /// <summary>The first offending rows, as text; none when the invariant holds.</summary>
    public async Task<IReadOnlyList<string>> CheckAsync(NpgsqlDataSource dataSource)
    {
        await using var command = dataSource.CreateCommand($"SELECT * FROM ({OffendersSql}) offenders LIMIT 5");
        command.CommandTimeout = 300;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(string.Join("  ", Enumerable.Range(0, reader.FieldCount).Select(i =>
                $"{reader.GetName(i)}={(reader.IsDBNull(i) ? "-" : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))}")));
        }

        return rows;
    }
}
