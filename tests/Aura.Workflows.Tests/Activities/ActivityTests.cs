using Aura.Testing;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

/// <summary>Base of tests that run definitions on one host, and let another one take over in the middle.</summary>
public abstract class ActivityTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private protected EngineHost Engine { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => Engine.DisposeAsync();

    /// <summary>An activity that waits for an event of this name.</summary>
    private protected static string Wait(string name) => $$"""{"type":"Elsa.Event","eventName":"{{name}}"}""";

    /// <summary>A line that shows a variable.</summary>
    private protected static string Show(string variable) => $$"""{"type":"Elsa.WriteLine","text":{{Variable(variable)}} }""";

    private protected static string Set(string variable, string json) =>
        $$"""{"type":"Elsa.SetVariable","variable":{"id":"{{variable}}","name":"{{variable}}"},"value":{{Literal(json)}} }""";

    private protected static string If(string variable, string then, string otherwise = "null") =>
        $$"""{"type":"Elsa.If","condition":{{Variable(variable)}},"then":{{then}},"else":{{otherwise}} }""";

    private protected static string While(string condition, string body) =>
        $$"""{"type":"Elsa.While","condition":{{condition}},"body":{{body}} }""";

    private protected static string ForEach(string items, string body, string type = "ForEach", string more = "") =>
        $$"""{"type":"Elsa.{{type}}","items":{{Object(items)}},{{more}}"body":{{body}} }""";

    private protected static string Parallel(params string[] activities) => $$"""{"type":"Elsa.Parallel","activities":[{{string.Join(',', activities)}}]}""";

    private protected static string Fork(string mode, params string[] branches) =>
        $$"""{"type":"Elsa.Fork","joinMode":"{{mode}}","branches":[{{string.Join(',', branches)}}]}""";

    private protected static string Variables(params string[] declarations) =>
        $""" "variables":[{string.Join(',', declarations.Select(d => d.Split('=')).Select(d => $$"""{"id":"{{d[0]}}","name":"{{d[0]}}","typeName":"Object","value":{{d[1]}} }"""))}] """;

    private protected const string Break = """{"type":"Elsa.Break"}""";

    /// <summary>Starts a definition and waits until it stands.</summary>
    private protected async Task<string> StartAsync(string root, string more = "", object? input = null)
    {
        var id = await Engine.StartWorkflowAsync(await Engine.DefineAsync(root, more), input);
        await Engine.ReachAsync(id, s => s.SubStatus is not (WorkflowSubStatus.Pending or WorkflowSubStatus.Executing));
        return id;
    }

    /// <summary>Publishes an event to an instance; a host that has never seen the instance goes on with it.</summary>
    private protected async Task<WorkflowState> ResumeOnAnotherHostAsync(string id, string eventName, object? payload = null)
    {
        await Engine.DisposeAsync();
        Engine = await EngineHost.StartAsync(database.ConnectionString);
        return await ResumeAsync(id, "Elsa.Event", new { EventName = eventName }, new() { ["__EventPayloadWorkflowInput"] = payload });
    }

    private protected async Task<WorkflowState> ResumeAsync(string id, string stimulus, object payload, Dictionary<string, object?>? input = null)
    {
        var before = (await Engine.ReachAsync(id, _ => true)).LogSequence;
        await Engine.CommitAsync(Engine.Client.PrepareStimulusTo(id, stimulus, payload, input), WorkflowClient.Wake());
        return await Engine.ReachAsync(id, s => s.LogSequence > before);
    }

    /// <summary>Waits until a count is no longer zero.</summary>
    private protected static Task EventuallyAsync(Func<Task<long>> count) => Until.TrueAsync(async () => await count() > 0, () => "It stays at none.", 30);

    private protected Task<WorkflowState> StateAsync(string id) => Engine.ReachAsync(id, _ => true);

    /// <summary>How the runs of an activity ended, in the order in which they began.</summary>
    private protected Task<string> StatusesAsync(string id, string activityId) => Engine.ScalarAsync<string>(
        "SELECT coalesce(string_agg(status, ' ' ORDER BY started_at, id), '') FROM wf.activity_executions WHERE instance_id = $1 AND activity_id = $2", id, activityId);

    private protected Task<long> BookmarksAsync(string id) =>
        Engine.ScalarAsync<long>("SELECT count(*) FROM wf.bookmarks WHERE instance_id = $1", id);
}
