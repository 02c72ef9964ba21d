using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Workflows.Tests.Definitions.VersioningTests;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>One activity, tried out: really run, and nothing of it kept.</summary>
public sealed class ActivityTesterTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, runsBursts: false, queue: null);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Run_Expression_SeesTheVariablesInitialValues()
    {
        var result = await TestAsync("""
            {"type":"Elsa.RunJavaScript","id":"x","script":{"typeName":"String","expression":{"type":"Literal","value":"setOutcome('Big'); variables.Stock * 2"} } }
            """);

        result.Status.ShouldBe(ActivityStatus.Completed);
        result.Outputs["Result"].ShouldBe(42L);
        result.Payload["Outcomes"].ShouldBe(new[] { "Big" });
        result.Exception.ShouldBeNull();
    }

    [Fact]
    public async Task Run_Fault_IsTheResult()
    {
        var result = await TestAsync("""{"type":"Elsa.Fault","id":"x","message":"No more paper."}""");

        result.Status.ShouldBe(ActivityStatus.Faulted);
        result.Exception!.Message.ShouldBe("No more paper.");
        result.ActivityState["Message"].ShouldBe("No more paper.");
    }

    [Theory]
    [InlineData("""{"type":"Elsa.Delay","id":"x","timeSpan":"01:00:00"}""", "WaitsFor", "Elsa.Delay")]
    [InlineData("""{"type":"Elsa.Event","id":"x","eventName":"paid"}""", "WaitsFor", "Elsa.Event")]
    [InlineData("""{"type":"Elsa.If","id":"x","condition":true,"then":{"type":"Elsa.WriteLine","id":"inside"} }""", "Scheduled", "inside")]
    public async Task Run_WhatWouldGoOn_SaysWhatItWaitsFor(string activity, string member, string name)
    {
        var result = await TestAsync(activity);

        result.Status.ShouldBe(ActivityStatus.Running);
        result.Payload[member].ShouldBe(new List<string> { name });
        result.Payload.ContainsKey("Outcomes").ShouldBeFalse();
    }

    [Fact]
    public async Task Run_DurableTask_RunsHereAndOnce()
    {
        var result = await TestAsync("""{"type":"Test.Counted","id":"x"}""");

        (result.Status, result.Outputs["Result"]).ShouldBe((ActivityStatus.Completed, (object?)1));
    }

    [Fact]
    public async Task Run_ChildAndEvent_StartNothing()
    {
        var child = NewId();
        await _engine.Definitions.SaveDraftAsync(Document(child, Line("a")));
        await _engine.Definitions.PublishAsync(child);

        var dispatched = await TestAsync($$"""{"type":"Elsa.DispatchWorkflow","id":"x","workflowDefinitionId":"{{child}}"}""");
        await TestAsync("""{"type":"Elsa.PublishEvent","id":"x","eventName":"paid"}""");

        dispatched.Status.ShouldBe(ActivityStatus.Completed);
        (await _engine.ScalarAsync<long>("SELECT (SELECT count(*) FROM wf.instances) + (SELECT count(*) FROM wf.messages)")).ShouldBe(0);
    }

    [Fact]
    public async Task Run_Secret_IsLeftOut()
    {
        var result = await TestAsync("""{"type":"Test.Vault","id":"x","pin":1234}""");

        result.Status.ShouldBe(ActivityStatus.Completed);
        result.ActivityState.ShouldBeEmpty();
    }

    [Fact]
    public async Task Run_LongerThanTheLimit_IsGivenUp()
    {
        var (versionId, tester) = await StoreAsync("""{"type":"Test.Endless","id":"x"}""");

        var result = await tester.RunAsync(versionId, "x", TimeSpan.FromMilliseconds(1), TestContext.Current.CancellationToken);

        result.Status.ShouldBe(ActivityStatus.Faulted);
        result.Exception!.Type.ShouldBe("System.TimeoutException");
    }

    [Fact]
    public async Task Run_UnknownActivity_SaysSo()
    {
        var (versionId, tester) = await StoreAsync(Line("a", "x"));

        var result = await tester.RunAsync(versionId, "Workflow1:s:gone", cancellationToken: TestContext.Current.CancellationToken);

        result.Exception!.Message.ShouldContain("'Workflow1:s:gone'");
    }

    private async Task<ActivityTestResult> TestAsync(string activity)
    {
        var (versionId, tester) = await StoreAsync(activity);
        return await tester.RunAsync(versionId, "Workflow1:s:x", cancellationToken: TestContext.Current.CancellationToken);
    }

    private async Task<(string VersionId, ActivityTester Tester)> StoreAsync(string activity)
    {
        var draft = await _engine.Definitions.SaveDraftAsync(Document(
            NewId(), $$"""{"type":"Elsa.Sequence","id":"s","activities":[{{activity}}]}""",
            more: """ "variables":[{"id":"v","name":"Stock","typeName":"Int32","value":"21"}],"""));
        return (draft.Id, _engine.Services.GetRequiredService<ActivityTester>());
    }
}

/// <summary>A durable task that tells which attempt it is.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Counted : CodeActivity<int>
{
    protected override void Execute(ActivityExecutionContext context) =>
        context.Set(Result, context.GetRequiredService<DurableTask>().Attempt);
}

/// <summary>Ends only when it is told to.</summary>
[Activity("Test")]
public sealed class Endless : CodeActivity
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
}
