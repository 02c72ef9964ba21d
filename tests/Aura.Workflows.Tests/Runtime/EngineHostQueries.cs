using System.Text.Json;
using Aura.Testing;
using Npgsql;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>What tests of the core ask and do besides running workflows.</summary>
internal static class EngineHostQueries
{
    public static string Act(string type, string id, string members = "") =>
        $$"""{"type":"{{type}}","id":"{{id}}"{{(members.Length > 0 ? "," + members : "")}}}""";

    public static string Parallel(params string[] activities) =>
        $$"""{"type":"Elsa.Parallel","id":"par","activities":[{{string.Join(',', activities)}}]}""";

    public static string Options(string name, string value) => $$""" "options":{"{{name}}":"{{value}}"} """;

    public static async Task<int> ExecuteAsync(this EngineHost engine, string sql, params object[] values)
    {
        await using var command = engine.DataSource.CreateCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync();
    }

    public static Task<long> CountAsync(this EngineHost engine, string table, string instanceId) =>
        engine.ScalarAsync<long>($"SELECT count(*) FROM wf.{table} WHERE instance_id = $1", instanceId);

    public static Task<WorkflowState> FaultedAsync(this EngineHost engine, string id) =>
        engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Faulted);

    /// <summary>Executes what was prepared and wakes the hosts.</summary>
    public static Task SendAsync(this EngineHost engine, NpgsqlBatchCommand command) => engine.Client.ExecuteAsync([command]);

    public static Task UnblockAsync(this EngineHost engine, string label, object? answer = null) =>
        engine.SendAsync(engine.Client.PrepareStimulus("Test.Block", new { Label = label }, new Dictionary<string, object?> { ["Answer"] = answer }));

    public static Task AlterAsync(this EngineHost engine, string id, string json) =>
        engine.SendAsync(engine.Client.PrepareAlteration(id, JsonSerializer.Deserialize<JsonElement>(json)));

    /// <summary>The events of the journal with the ids of their activities, in order.</summary>
    public static Task<string> JournalAsync(this EngineHost engine, string id) => engine.ScalarAsync<string>(
        "SELECT coalesce(string_agg(activity_id || ':' || event_name, ' ' ORDER BY sequence), '') FROM wf.journal WHERE instance_id = $1", id);

    /// <summary>Ends when no message of the instance is due any more and no burst of it runs.</summary>
    public static Task SettledAsync(this EngineHost engine, string id) => WaitForAsync(async () => await engine.ScalarAsync<bool>("""
        SELECT owner IS NULL AND NOT (status = 'Running' AND EXISTS (SELECT FROM wf.messages m WHERE m.instance_id = i.id AND m.due_at <= now()))
        FROM wf.instances i WHERE id = $1
        """, id));

    public static Task WaitForAsync(Func<bool> condition) => WaitForAsync(() => Task.FromResult(condition()));

    public static Task WaitForAsync(Func<Task<bool>> condition) => Until.TrueAsync(condition, () => "What the test waits for has not come.", 30);
}
