using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Scripts = System.Collections.Generic.IReadOnlyDictionary<
    string, System.Collections.Generic.IReadOnlyList<System.Collections.Generic.IReadOnlyList<string>>>;

namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>
/// Runs a chart through the real engine in memory, burst by burst, its state going through JSON between them.
/// The only place in these tests that knows how a burst is made.
/// </summary>
internal sealed class FlowRun
{
    private static readonly ActivityRegistry Registry = new ActivityRegistry().AddFrom(typeof(FlowRun).Assembly);

    private readonly WorkflowGraph _graph;
    private readonly IServiceProvider _services;
    private string _state = JsonSerializer.Serialize(new WorkflowState(), WorkflowJson.Options);

    private FlowRun(WorkflowGraph graph, Action<FlowchartOptions>? configure, Scripts? scripts)
    {
        _graph = graph;
        var services = new ServiceCollection().AddLogging();
        services.AddAuraWorkflows();
        if (configure is not null)
            services.Configure(configure);
        services.AddSingleton(new ScriptedOutcomes(scripts ?? new Dictionary<string, IReadOnlyList<IReadOnlyList<string>>>()));
        _services = services.BuildServiceProvider();
    }

    public WorkflowState State => JsonSerializer.Deserialize<WorkflowState>(_state, WorkflowJson.Options)!;

    /// <summary>The ids of all activities in the order in which they began, without workflow and flowcharts.</summary>
    public List<string> Started { get; } = [];

    /// <summary>The ids of all activities with their outcomes in the order in which they completed, flowcharts included.</summary>
    public List<(string Id, IReadOnlyList<string> Outcomes)> Completed { get; } = [];

    /// <summary>Those of <see cref="Started"/> that are lines.</summary>
    public string Lines { get; private set; } = "";

    public IReadOnlyList<string> Waiting => [.. State.Bookmarks.Select(b => b.ActivityId)];

    public bool IsDone => State is { SubStatus: WorkflowSubStatus.Finished };

    /// <summary>The engine says so itself: an instance that waits for nothing faults.</summary>
    public bool Hangs => State.Incidents.Any(i => i.Message.StartsWith("The workflow cannot go on", StringComparison.Ordinal));

    public static Task<FlowRun> StartAsync(TestChart chart, bool token, bool exact = false) => StartAsync(
        chart.ToDefinition(), options =>
        {
            options.DefaultExecutionMode = token ? FlowchartExecutionMode.TokenBased : FlowchartExecutionMode.CounterBased;
            options.ExactElsa = exact;
        }, chart.Scripts);

    public static Task<FlowRun> StartAsync(
        string definition, Action<FlowchartOptions>? configure = null,
        Scripts? scripts = null, string? trigger = null) =>
        StartAsync(new FlowRun(new ActivityReader(Registry).Read(WorkflowDefinition.Parse(definition, "test")).Graph, configure, scripts), trigger);

    /// <summary>A flowchart that was built in code.</summary>
    public static Task<FlowRun> StartAsync(Flowchart flowchart)
    {
        var definition = WorkflowDefinition.Parse("""{"definitionId":"code","root":{} }""", "test");
        return StartAsync(new FlowRun(new(definition, new Workflow { Id = "Workflow1", Root = flowchart }, Registry), null, null), null);
    }

    private static async Task<FlowRun> StartAsync(FlowRun run, string? trigger)
    {
        if (trigger is not null)
            run._state = JsonSerializer.Serialize(new WorkflowState { TriggerActivityId = trigger }, WorkflowJson.Options);
        await run.BurstAsync(new Message(1, MessageKind.Start, null, null));
        return run;
    }

    /// <summary>Resumes the wait of an activity; the first one when it waits several times.</summary>
    public Task ResumeAsync(string activity) =>
        BurstAsync(new Message(2, MessageKind.Resume, State.Bookmarks.First(b => b.ActivityId == activity).Id, null));

    public string Show() =>
        Show(Lines, IsDone ? "done" : Hangs ? "hangs" : State.SubStatus == WorkflowSubStatus.Faulted ? "fault" : "waits", Waiting);

    internal static string Show(string lines, string end, IEnumerable<string> waiting) =>
        $"{lines} {(end == "waits" && !waiting.Any() ? "hangs" : end)}{(end == "waits" && waiting.Any() ? " for " + string.Join(',', waiting) : "")}";

    private async Task BurstAsync(Message message)
    {
        await using var scope = _services.CreateAsyncScope();
        var workflow = new WorkflowExecutionContext("instance", _graph, null, scope.ServiceProvider, CancellationToken.None);
        using (var stored = JsonDocument.Parse(_state))
            StateCodec.Restore(workflow, stored.RootElement);
        await BurstRunner.RunAsync(workflow, [message]);
        _state = System.Text.Encoding.UTF8.GetString(StateCodec.Write(workflow));
        foreach (var entry in workflow.Outbox.Journal)
        {
            if (entry.EventName == "Started" && entry.Context.Activity.Type is not ("Elsa.Flowchart" or "Elsa.Workflow"))
            {
                Started.Add(entry.Context.Activity.Id);
                if (entry.Context.Activity.Type == "Test.Step")
                    Lines += entry.Context.Activity.Id;
            }
            else if (entry.EventName == "Completed")
            {
                Completed.Add((entry.Context.Activity.Id, entry.Context.Outcomes!.Names));
            }
        }
    }
}

/// <summary>The outcomes that a test's switches take, run by run; the last one again and again.</summary>
internal sealed class ScriptedOutcomes(Scripts scripts)
{
    private readonly Dictionary<string, int> _runs = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Next(string activity)
    {
        var run = _runs[activity] = _runs.GetValueOrDefault(activity) + 1;
        var script = scripts[activity];
        return script[Math.Min(run, script.Count) - 1];
    }
}

/// <summary>A step that shows in <see cref="FlowRun.Lines"/>.</summary>
[Activity("Test")]
public sealed class Step : CodeActivity;

/// <summary>A step that does not show.</summary>
[Activity("Test")]
public sealed class Quiet : CodeActivity;

/// <summary>Completes with the outcomes that the test has written for this run.</summary>
[Activity("Test")]
public sealed class Scripted : Activity
{
    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        context.CompleteActivityWithOutcomesAsync([.. context.GetRequiredService<ScriptedOutcomes>().Next(Id)]);
}
