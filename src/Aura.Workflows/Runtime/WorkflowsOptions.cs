using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Settings of the engine on one host.</summary>
public sealed class WorkflowsOptions
{
    /// <summary>Shown in <c>wf.hosts</c> and as the owner of leases, with a random suffix.</summary>
    public string HostName { get; set; } = Environment.MachineName;

    /// <summary>How long claimed instances stay with a host that says nothing. A dead process is noticed much earlier.</summary>
    public TimeSpan HostLease { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a claimed task stays with a worker between heartbeats; they come at a third of it.</summary>
    public TimeSpan TaskLease { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an idle loop waits before it looks again, unless it is woken.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Bursts in flight on this host; more wait in the database.</summary>
    public int MaxBursts { get; set; } = 256;

    /// <summary>Bursts, task answers and starts that go out in one transaction at most.</summary>
    public int MaxGroup { get; set; } = 256;

    /// <summary>Connections that commit at the same time.</summary>
    public int CommitWriters { get; set; } = 2;

    /// <summary>How long a host that stops waits for the bursts and tasks in flight before it hands them back.</summary>
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a stimulus that met nobody is kept for one that comes to wait for it. Zero: not at all.</summary>
    public TimeSpan StimulusRetention { get; set; } = TimeSpan.FromMinutes(10);

    public RetentionOptions Retention { get; } = new();

    /// <summary>
    /// Tasks of a queue that run at once on all hosts together, by the queue's name or its beginning and <c>*</c>. The same on all hosts.
    /// </summary>
    public IDictionary<string, int> QueueLimits { get; } = new Dictionary<string, int>(StringComparer.Ordinal);

    /// <summary>Commits of one instance that may fail in a row before it is set aside with an incident.</summary>
    public int MaxFailedCommits { get; set; } = 3;

    /// <summary>The first delay before a failed task is tried again; doubled each time, up to a minute.</summary>
    public TimeSpan TaskBackoff { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Definition versions whose graphs are kept in memory; the least recently used ones go first.</summary>
    public int MaxCachedGraphs { get; set; } = 2_000;

    /// <summary>
    /// Whether definitions may hold C# (expressions of type CSharp, RunCSharp). C# runs without a sandbox, with all the power of this
    /// process: set it only where everyone who may publish a workflow may also change the host. The same on all hosts.
    /// </summary>
    public bool AllowCSharp { get; set; }

    /// <summary>Statements that go out in the commit that ends an instance (finished, cancelled or faulted).</summary>
    public Func<FinishedWorkflow, IEnumerable<NpgsqlBatchCommand>>? OnFinished { get; set; }

    /// <summary>The limit that a task of a queue falls under: its key, shared by all that fall under it, and how many may run at once.</summary>
    internal (string? Key, int Limit) LimitOf(string queue)
    {
        foreach (var (pattern, limit) in QueueLimits)
        {
            if (pattern == queue || (pattern.EndsWith('*') && queue.StartsWith(pattern[..^1], StringComparison.Ordinal)))
                return ("queue|" + pattern, limit);
        }

        return (null, 1);
    }

    /// <summary>For tests of crash safety: <c>name</c> or <c>name@n</c>, the point (at its n-th pass) where the process kills itself.</summary>
    public string? FaultPoint { get; set; }
}

/// <summary>An instance that has just ended.</summary>
public sealed record FinishedWorkflow(
    string InstanceId, string DefinitionId, string? CorrelationId, WorkflowSubStatus SubStatus, IReadOnlyDictionary<string, object?> Input,
    IReadOnlyList<Incident> Incidents);
