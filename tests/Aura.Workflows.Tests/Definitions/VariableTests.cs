using Aura.Testing;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

public sealed class VariableTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task Resume_OnAnotherHost_KeepsAllButMemoryVariables()
    {
        var label = Guid.NewGuid().ToString("N");
        string instance;
        await using (var engine = await EngineHost.StartAsync(database.ConnectionString))
        {
            var definition = await engine.DefineAsync(Sequence(
                [.. new[] { "kept", "plain", "lost" }.Select(v => $$"""{"type":"Elsa.SetVariable","variable":{"id":"{{v}}","name":"{{v}}"},"value":"set {{v}}"}"""),
                    $$"""{"type":"Test.Block","label":"{{label}}"}""",
                    .. new[] { "kept", "plain", "lost" }.Select(v => $$"""{"type":"Elsa.WriteLine","text":{{Variable(v)}}}""")]), """
                "variables":[
                  {"id":"kept","name":"kept","typeName":"String","storageDriverTypeName":"Elsa.Workflows.WorkflowInstanceStorageDriver, Elsa.Workflows.Core"},
                  {"id":"plain","name":"plain","typeName":"String","storageDriverTypeName":null},
                  {"id":"lost","name":"lost","typeName":"String","value":"initial","storageDriverTypeName":"Elsa.Workflows.MemoryStorageDriver, Elsa.Workflows.Core"}]
                """);
            instance = await engine.StartWorkflowAsync(definition);
            await engine.SuspendedAsync(instance);
        }

        await using var other = await EngineHost.StartAsync(database.ConnectionString);
        await other.CommitAsync(other.Client.PrepareStimulus("Test.Block", new { Label = label }));
        await other.FinishedAsync(instance);

        (await other.LinesAsync(instance)).ShouldStartWith("set kept set plain");
        (await other.LinesAsync(instance)).ShouldNotContain("set lost");
    }
}
