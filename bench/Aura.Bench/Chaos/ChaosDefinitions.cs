using Aura.Workflows;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Bench.Chaos;

/// <summary>Writes an effect in the commit of the burst.</summary>
[Activity("Chaos")]
public sealed class RecordStep : CodeActivity
{
    protected override void Execute(ActivityExecutionContext context) => context.GetRequiredService<UnitOfWork>().Add(Effect.Of(context, null));
}

/// <summary>Writes an effect in the commit of the task's answer.</summary>
[Activity("Chaos", Kind = ActivityKind.Job)]
public sealed class RecordTask : CodeActivity
{
    /// <summary>Attempts that fail on purpose.</summary>
    public Input<int>? Failures { get; set; }

    public Input<string>? Queue { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var task = context.GetRequiredService<DurableTask>();
        // Most are quick; a few take longer than a lease and live by their heartbeats.
        var pause = Random.Shared.Next(40) == 0 ? 2500 : Random.Shared.Next(60);
        await Task.Delay(TimeSpan.FromMilliseconds(pause), context.CancellationToken);
        if (task.Attempt <= context.Get(Failures))
            throw new InvalidOperationException("Failed on purpose.");
        context.GetRequiredService<UnitOfWork>().Add(Effect.Of(context, task));
    }
}

/// <summary>Waits for the signal that bears the instance's id.</summary>
[Activity("Chaos")]
public sealed class WaitForSignal : Activity
{
    public const string StimulusName = "Chaos.Signal";

    public static object Payload(string instanceId) => new { Instance = instanceId };

    protected override void Execute(ActivityExecutionContext context) => context.CreateBookmark(
        new CreateBookmarkArgs { BookmarkName = StimulusName, Stimulus = Payload(context.WorkflowExecutionContext.Id) });
}

/// <summary>A row for each time that a step has really happened. Nothing in the table keeps a second one out.</summary>
internal static class Effect
{
    public static NpgsqlBatchCommand Of(ActivityExecutionContext context, DurableTask? task) => new(
        "INSERT INTO chaos.effects (instance_id, step, task_id, attempt, host) VALUES ($1, $2, $3, $4, $5)")
    {
        Parameters =
        {
            new NpgsqlParameter<string> { TypedValue = task?.InstanceId ?? context.WorkflowExecutionContext.Id },
            new NpgsqlParameter<string> { TypedValue = context.Activity.Id },
            new() { Value = (object?)task?.Id ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint },
            new() { Value = (object?)task?.Attempt ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer },
            new NpgsqlParameter<string> { TypedValue = context.GetRequiredService<HostIdentity>().Id },
        },
    };
}

/// <summary>A kind of workflow in the mix.</summary>
/// <param name="Steps">The ids of the steps that leave an effect, each once.</param>
/// <param name="Weight">Its share of the instances.</param>
/// <param name="Ends">The sub-status that each instance must reach.</param>
internal sealed record ChaosDefinition(string Id, string Root, IReadOnlyList<string> Steps, int Weight, string Options = "{}", string Ends = "Finished")
{
    public const string Signals = "chaos-signals";
    public const string Exclusive = "chaos-exclusive";
    public const string Parent = "chaos-parent";

    private const string Checkpoints = """{"commitStrategyName":"ActivityExecuted"}""";

    public static readonly IReadOnlyList<ChaosDefinition> All =
    [
        new("chaos-tasks", Sequence(Task("t1"), Step("s1"), Task("t2", """ "failures":1, """)), ["t1", "s1", "t2"], 3),
        new("chaos-steps", Sequence(Step("s1"), Step("s2"), Step("s3"), Step("s4"), Step("s5")), ["s1", "s2", "s3", "s4", "s5"], 3, Checkpoints),
        new("chaos-timers", Sequence(Step("s1"), Delay("d1", 0.2), Task("t1"), Delay("d2", 0.5), Step("s2")), ["s1", "t1", "s2"], 2),
        new(Signals, Sequence(Step("s1"), """{"type":"Chaos.WaitForSignal","id":"w"}""", Step("s2")), ["s1", "s2"], 2, Checkpoints),
        new(Parent, Sequence(Parallel(Child("c1"), Sequence(Task("t1"), Step("s1")), Child("c2"), Delay("d1", 0.3)), Step("s2")), ["t1", "s1", "s2"], 2, Checkpoints),
        new("chaos-child", Sequence(Step("s1"), Task("t1"), Step("s2")), ["s1", "t1", "s2"], 0),
        new("chaos-limited", Sequence(Task("t1", """ "customProperties":{"task":{"maxAttempts":1000,"concurrency":{"key":"chaos","limit":4} } }, """)), ["t1"], 1),
        new(Exclusive, Sequence(Step("s1"), Task("t1")), ["s1", "t1"], 1, """{"activationStrategyType":"Correlation"}"""),
        new("chaos-faults", Sequence(Step("s1"), """{"type":"Elsa.Fault","id":"f","message":"On purpose."}"""), ["s1"], 1, Ends: "Faulted"),
    ];

    public string Json => $$"""{"definitionId":"{{Id}}","name":"{{Id}}","isPublished":true,"options":{{Options}},"root":{{Root}} }""";

    private static string Sequence(params string[] activities) => $$"""{"type":"Elsa.Sequence","activities":[{{string.Join(',', activities)}}]}""";

    private static string Parallel(params string[] activities) => $$"""{"type":"Elsa.Parallel","activities":[{{string.Join(',', activities)}}]}""";

    private static string Step(string id) => $$"""{"type":"Chaos.RecordStep","id":"{{id}}"}""";

    // Every host that dies with it costs the task an attempt: the limit must not end it here.
    private static string Task(string id, string more = "") =>
        $$"""{"type":"Chaos.RecordTask","id":"{{id}}",{{(more.Contains("customProperties") ? more : more + """ "customProperties":{"task":{"maxAttempts":1000,"timeoutSeconds":60} }, """)}}"queue":"chaos"}""";

    private static string Delay(string id, double seconds) =>
        $$"""{"type":"Elsa.Delay","id":"{{id}}","timeSpan":"{{TimeSpan.FromSeconds(seconds):c}}"}""";

    private static string Child(string id) => $$"""{"type":"Elsa.ExecuteWorkflow","id":"{{id}}","workflowDefinitionId":"chaos-child"}""";
}
