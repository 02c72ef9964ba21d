using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Workflows.Tests;

/// <summary>A host with the engine's loops on a test database. Several may share one database.</summary>
internal sealed class EngineHost : IAsyncDisposable
{
    private readonly IHost _host;

    private EngineHost(IHost host) => _host = host;

    public WorkflowClient Client => _host.Services.GetRequiredService<WorkflowClient>();

    public DefinitionStore Definitions => _host.Services.GetRequiredService<DefinitionStore>();

    public ActivityRegistry Registry => _host.Services.GetRequiredService<ActivityRegistry>();

    public ExpressionTypes ExpressionTypes => Services.GetRequiredService<ExpressionTypes>();

    public IServiceProvider Services => _host.Services;

    public NpgsqlDataSource DataSource => _host.Services.GetRequiredService<NpgsqlDataSource>();

    public static async Task<EngineHost> StartAsync(
        string connectionString, Action<WorkflowsOptions>? configure = null, string? queue = "*", bool runsBursts = true,
        Action<IServiceCollection>? services = null, int concurrency = 8)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.None);
        // Made by the container, so that it is disposed with it: many hosts come and go on one server.
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString + ";Maximum Pool Size=20"));
        builder.Services.AddAuraWorkflows(options =>
        {
            options.PollInterval = TimeSpan.FromMilliseconds(50);
            options.TaskBackoff = TimeSpan.FromMilliseconds(20);
            options.DrainTimeout = TimeSpan.FromMilliseconds(200);
            configure?.Invoke(options);
        });
        builder.Services.AddSingleton<Probe>();
        services?.Invoke(builder.Services);
        if (runsBursts)
            builder.Services.AddWorkflowLoops();
        if (queue is not null)
            builder.Services.AddTaskLoop(queue, concurrency);
        var host = builder.Build();
        host.Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(EngineHost).Assembly);
        await host.StartAsync();
        return new(host);
    }

    public Probe Probe => _host.Services.GetRequiredService<Probe>();

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
    }

    /// <summary>Imports a definition with this root (and further members) under a fresh id.</summary>
    public async Task<string> DefineAsync(string root, string more = "")
    {
        var id = $"def-{Guid.NewGuid():N}";
        await Definitions.ImportAsync(WorkflowDefinition.Parse(
            $$"""{"definitionId":"{{id}}","name":"Test","isPublished":true,{{(more.Length > 0 ? more + "," : "")}}"root":{{root}}}""", id));
        return id;
    }

    public async Task<string> StartWorkflowAsync(string definitionId, object? input = null, string? correlationId = null)
    {
        var values = input is null
            ? []
            : JsonSerializer.SerializeToElement(input).EnumerateObject().ToDictionary(p => p.Name, p => WorkflowJson.ToPlain(p.Value));
        var start = await Client.PrepareStartAsync(definitionId, values, correlationId);
        await CommitAsync([.. start.Statements]);
        return start.InstanceId;
    }

    public async Task CommitAsync(params NpgsqlBatchCommand[] statements)
    {
        await using var connection = await DataSource.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection);
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        await batch.ExecuteNonQueryAsync();
    }

    public async Task<WorkflowState> RunAsync(string root, object? input = null, string more = "") =>
        await FinishedAsync(await StartWorkflowAsync(await DefineAsync(root, more), input));

    public Task<WorkflowState> FinishedAsync(string instanceId) => ReachAsync(instanceId, s => s.Status == WorkflowStatus.Finished);

    public Task<WorkflowState> SuspendedAsync(string instanceId) => ReachAsync(instanceId, s => s.SubStatus == WorkflowSubStatus.Suspended);

    public Task<WorkflowState> ReachAsync(string instanceId, Func<WorkflowState, bool> condition) => Until.FoundAsync(
        async () => JsonSerializer.Deserialize<WorkflowState>(
            await ScalarAsync<string>("SELECT state::text FROM wf.instances WHERE id = $1", instanceId), WorkflowJson.Options)!,
        condition, state => $"Instance {instanceId} stands at {state.SubStatus}: {JsonSerializer.Serialize(state)}");

    public async Task<T> ScalarAsync<T>(string sql, params object[] values) => (await DataSource.ScalarAsync<T>(sql, values))!;

    /// <summary>The texts of the WriteLines of an instance, in the order in which they ran.</summary>
    public async Task<string> LinesAsync(string instanceId) => await ScalarAsync<string>(
        """
        SELECT coalesce(string_agg(e.activity_state->>'Text', ' ' ORDER BY j.sequence), '') FROM wf.journal j
        JOIN wf.activity_executions e ON e.id = j.activity_instance_id
        WHERE j.instance_id = $1 AND j.event_name = 'Started' AND e.activity_type = 'Elsa.WriteLine'
        """, instanceId);

    public async Task<string> LinesOfAsync(string root, object? input = null, string more = "")
    {
        var id = await StartWorkflowAsync(await DefineAsync(root, more), input);
        await FinishedAsync(id);
        return await LinesAsync(id);
    }
}

/// <summary>Lets a test's activities talk to the test.</summary>
internal sealed class Probe
{
    public System.Collections.Concurrent.ConcurrentQueue<string> Seen { get; } = new();

    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Failures;
}

/// <summary>JSON of activities, short enough to read in a test.</summary>
internal static class Json
{
    public static string Line(string text, string? id = null) =>
        $$"""{"type":"Elsa.WriteLine",{{(id is null ? "" : $"\"id\":\"{id}\",")}}"text":{"typeName":"String","expression":{"type":"Literal","value":"{{text}}"} } }""";

    public static string Sequence(params string[] activities) => $$"""{"type":"Elsa.Sequence","activities":[{{string.Join(',', activities)}}]}""";

    public static string Variable(string name) => $$"""{"typeName":"Object","expression":{"type":"Variable","value":{"id":"{{name}}","name":"{{name}}"} } }""";

    public static string Literal(string json) => $$"""{"typeName":"Object","expression":{"type":"Literal","value":{{json}}} }""";

    public static string Object(string json) =>
        $$"""{"typeName":"Object","expression":{"type":"Object","value":{{JsonSerializer.Serialize(json)}}} }""";

    /// <summary>Arrows as <c>a-&gt;b</c> or <c>a:Port-&gt;b</c>.</summary>
    public static string Flow(string[] activities, params string[] arrows)
    {
        var connections = arrows.Select(arrow =>
        {
            var ends = arrow.Split("->");
            var source = ends[0].Split(':');
            return $$"""{"source":{"activity":"{{source[0]}}","port":"{{(source.Length > 1 ? source[1] : "Done")}}"},"target":{"activity":"{{ends[1]}}","port":"In"} }""";
        });
        return $$"""{"type":"Elsa.Flowchart","id":"flow","activities":[{{string.Join(',', activities)}}],"connections":[{{string.Join(',', connections)}}]}""";
    }
}
