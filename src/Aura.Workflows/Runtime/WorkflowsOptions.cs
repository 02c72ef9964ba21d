using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>Settings of the engine on one host.</summary>
public sealed class WorkflowsOptions
{
    /// <summary>Shown in <c>wf.hosts</c> and as the owner of leases, with a random suffix.</summary>
    public string HostName { get; set; } = Environment.MachineName;

    /// <summary>How long a claimed instance stays with a host that says nothing. A dead process is noticed much earlier.</summary>
    public TimeSpan InstanceLease { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a claimed task stays with a worker between heartbeats; they come at a third of it.</summary>
    public TimeSpan TaskLease { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an idle loop waits before it looks again, unless it is woken.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Bursts in flight on this host.</summary>
    public int MaxBursts { get; set; } = 32;

    /// <summary>Bursts that go out in one transaction at most.</summary>
    public int MaxGroup { get; set; } = 64;

    /// <summary>Commits of one instance that may fail in a row before it is set aside with an incident.</summary>
    public int MaxFailedCommits { get; set; } = 3;

    /// <summary>The first delay before a failed task is tried again; doubled each time, up to a minute.</summary>
    public TimeSpan TaskBackoff { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Statements that go out in the commit that ends an instance (finished, cancelled or faulted).</summary>
    public Func<FinishedWorkflow, IEnumerable<NpgsqlBatchCommand>>? OnFinished { get; set; }

    /// <summary>For tests of crash safety: <c>name</c> or <c>name@n</c>, the point (at its n-th pass) where the process kills itself.</summary>
    public string? FaultPoint { get; set; }
}

/// <summary>An instance that has just ended.</summary>
public sealed record FinishedWorkflow(
    string InstanceId, string DefinitionId, string? CorrelationId, WorkflowSubStatus SubStatus, IReadOnlyDictionary<string, object?> Input,
    IReadOnlyList<Incident> Incidents);
