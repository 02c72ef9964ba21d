using Aura.Testing;
using Aura.Workflows.Activities;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class ChildWorkflowTests(TestDatabase database) : ActivityTests(database)
{
    private static string Bulk(string child, string items, string more = "") =>
        $$"""{"type":"Elsa.BulkDispatchWorkflows","id":"bulk","workflowDefinitionId":"{{child}}","items":{{items}}{{(more.Length > 0 ? "," + more : "")}} }""";

    private static string Dispatch(string child, string more) => $$"""{"type":"Elsa.DispatchWorkflow","id":"dispatch","workflowDefinitionId":"{{child}}",{{more}} }""";

    private static string Input(string name) => $$"""{"typeName":"Object","expression":{"type":"Input","value":{"name":"{{name}}"} } }""";

    private static string Echo(string name) => $$"""{"type":"Elsa.SetOutput","outputName":"Echo","outputValue":{{Input(name)}} }""";

    private Task<long> ChildrenAsync(string id, string more = "") =>
        Engine.ScalarAsync<long>($"SELECT count(*) FROM wf.instances WHERE parent_instance_id = $1 {more}", id);

    private async Task<List<string>> ChildIdsAsync(string id) =>
        [.. (await Engine.ScalarAsync<string>("SELECT coalesce(string_agg(id, ' ' ORDER BY id), '') FROM wf.instances WHERE parent_instance_id = $1", id)).Split(' ')];

    [Fact]
    public async Task DispatchWorkflow_Waiting_GivesOutputAndHowTheChildEnded()
    {
        var child = await Engine.DefineAsync(Sequence(Wait("go"), Echo("Word")));
        var id = await StartAsync(
            Dispatch(child, $$"""
                "input":{{Object("""{"Word":"hi"}""")}},"correlationId":"c-7","waitForCompletion":true,
                "result":{"memoryReference":{"id":"R"} },"child":{"memoryReference":{"id":"C"} }
                """),
            """ "outputs":[{"name":"R","type":"Object"},{"name":"C","type":"Object"}] """);
        var childId = (await ChildIdsAsync(id)).ShouldHaveSingleItem();
        await Engine.SuspendedAsync(childId);

        await ResumeOnAnotherHostAsync(childId, "go");

        var output = (await Engine.FinishedAsync(id)).Output;
        output["R"].GetProperty("Echo").GetString().ShouldBe("hi");
        output["C"].GetProperty("workflowInstanceId").GetString().ShouldBe(childId);
        output["C"].GetProperty("subStatus").GetString().ShouldBe("Finished");
        var state = await StateAsync(childId);
        state.Input["ParentInstanceId"].GetString().ShouldBe(id);
        (await Engine.ScalarAsync<string>("SELECT correlation_id FROM wf.instances WHERE id = $1", childId)).ShouldBe("c-7");
    }

    [Fact]
    public async Task DispatchWorkflow_NotWaiting_NamesTheChildOnly()
    {
        var child = await Engine.DefineAsync(Line("x"));

        var state = await Engine.RunAsync(
            Dispatch(child, """ "result":{"memoryReference":{"id":"R"} },"child":{"memoryReference":{"id":"C"} } """),
            more: """ "outputs":[{"name":"R","type":"Object"},{"name":"C","type":"Object"}] """);

        state.Output.ContainsKey("R").ShouldBeFalse();
        var childId = state.Output["C"].GetProperty("workflowInstanceId").GetString()!;
        (await Engine.FinishedAsync(childId)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    [Fact]
    public async Task BulkDispatch_Items_EachChildGetsItsOwnCopyOfTheInput()
    {
        var child = await Engine.DefineAsync(Sequence(
            $$"""{"type":"Elsa.WriteLine","text":{{Input("Item")}} }""",
            $$"""{"type":"Elsa.WriteLine","text":{{Input("Name")}} }""",
            $$"""{"type":"Elsa.WriteLine","text":{{Input("Common")}} }"""));

        var id = await StartAsync(Bulk(child, Object("""["a",{"Name":"b","Common":"own"},null]"""), $$""" "input":{{Object("""{"Common":"all"}""")}} """));

        await Engine.FinishedAsync(id);
        var lines = new List<string>();
        foreach (var childId in await ChildIdsAsync(id))
            lines.Add(await Engine.LinesAsync(childId));
        lines.ShouldBe(["a all", "b own", "all"], Case.Sensitive);
    }

    [Theory]
    [InlineData("", "Completed Done")]
    [InlineData("\"waitForCompletion\":false", "Done")]
    public async Task BulkDispatch_Waiting_DecidesTheOutcomes(string more, string expected)
    {
        var child = await Engine.DefineAsync(Line("x"));

        var id = await StartAsync(Flow([Bulk(child, Object("[1,2]"), more), Line("Completed", "c"), Line("Done", "d")], "bulk:Completed->c", "bulk:Done->d"));

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe(expected);
        (await ChildrenAsync(id)).ShouldBe(2);
    }

    [Fact]
    public async Task Dispatch_SingletonThatRunsAlready_TellsTheParentThatItWasRefused()
    {
        var child = await Engine.DefineAsync(Wait("go"), """ "options":{"activationStrategyType":"Singleton"} """);
        var first = await Engine.StartWorkflowAsync(child);
        await Engine.SuspendedAsync(first);

        var state = await Engine.RunAsync(
            Dispatch(child, """ "waitForCompletion":true,"child":{"typeName":"Object","memoryReference":{"id":"C"} } """),
            more: """ "outputs":[{"name":"C","type":"Object"}] """);

        state.Output["C"].GetProperty("subStatus").GetString().ShouldBe("Refused");
        state.Output["C"].GetProperty("incident").GetString()!.ShouldContain("Not started");
        await ResumeAsync(first, "Elsa.Event", new { EventName = "go" });
    }

    [Fact]
    public async Task BulkDispatch_NoItems_Completes() => (await Engine.LinesOfAsync(
        Sequence(Bulk(await Engine.DefineAsync(Line("x")), Object("[]")), Line("after")))).ShouldBe("after");

    [Theory]
    [InlineData("null", "items of 'bulk' are null")]
    [InlineData("7", "'Items'")]
    public async Task BulkDispatch_ItemsAreNoList_Faults(string items, string expected) =>
        (await Engine.RunAsync(Bulk(await Engine.DefineAsync(Line("x")), items))).Incidents.ShouldHaveSingleItem().Message.ShouldContain(expected);

    [Fact]
    public async Task BulkDispatch_ItemsAsJsonText_AreRead()
    {
        var id = await StartAsync(Bulk(await Engine.DefineAsync(Line("x")), Literal("\"[1,2,3]\"")));

        await Engine.FinishedAsync(id);
        (await ChildrenAsync(id)).ShouldBe(3);
    }

    [Fact]
    public async Task BulkDispatch_CorrelationIdFunction_IsEvaluatedPerItem()
    {
        var id = await StartAsync(Bulk(await Engine.DefineAsync(Line("x")), Object("""["k1","k2"]"""), $$""" "correlationIdFunction":{{Variable("Item")}} """));

        await Engine.FinishedAsync(id);
        (await Engine.ScalarAsync<string>("SELECT string_agg(correlation_id, ' ' ORDER BY id) FROM wf.instances WHERE parent_instance_id = $1", id)).ShouldBe("k1 k2");
    }

    [Fact]
    public async Task BulkDispatch_ChildrenEndDifferently_PortsRunOncePerChild()
    {
        var child = await Engine.DefineAsync(Sequence(
            $$"""{"type":"Elsa.If","condition":{{Input("Bad")}},"then":{"type":"Elsa.Fault","message":"broken"} }""", Echo("Name")));
        var id = await StartAsync(Sequence(
            Bulk(child, Object("""[{"Name":"a","Bad":false},{"Name":"b","Bad":true},{"Name":"c","Bad":false}]"""),
                $$""" "childCompleted":{{Sequence(Wait("tick"), Show("ChildOutput"))}},"childFaulted":{{Show("ChildIncident")}} """),
            Line("after")));
        await Engine.ReachAsync(id, s => s.Bookmarks.Count == 3);

        await ResumeOnAnotherHostAsync(id, "tick");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).Split(' ').Order(StringComparer.Ordinal).ShouldBe(["after", "broken", """{"Echo":"a"}""", """{"Echo":"c"}"""], Case.Sensitive);
        (await Engine.LinesAsync(id)).ShouldEndWith("after");
    }

    [Fact]
    public async Task BulkDispatch_TwoAtOnce_EachCountsItsOwnChildren()
    {
        var quick = await Engine.DefineAsync(Line("x"));
        var slow = await Engine.DefineAsync(Wait("go"));

        var id = await StartAsync(Parallel(
            Sequence(Bulk(quick, Object("[1,2,3]")), Line("quick")),
            Sequence(Bulk(slow, Object("[1,2,3]")).Replace("\"bulk\"", "\"other\""), Line("slow"))));

        await Engine.ReachAsync(id, s => s.Bookmarks.Count == 1);
        (await Engine.LinesAsync(id)).ShouldBe("quick");
        foreach (var childId in await ChildIdsAsync(id))
            await Engine.CommitAsync(Engine.Client.PrepareStimulusTo(childId, "Elsa.Event", new { EventName = "go" }), WorkflowClient.Wake());
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("quick slow");
    }

    [Fact]
    public async Task BulkDispatch_AChildTellsTwice_CountsOnce()
    {
        var id = await StartAsync(Sequence(Bulk(await Engine.DefineAsync(Wait("go")), Object("[1,2]")), Line("after")));
        var children = await ChildIdsAsync(id);
        var bookmark = (await StateAsync(id)).Bookmarks.ShouldHaveSingleItem();

        // A child that faulted and was retried ends a second time.
        for (var time = 1; time <= 2; time++)
        {
            var before = (await StateAsync(id)).LogSequence;
            await Engine.CommitAsync(
                CommitSql.Send(ChildWorkflow.Finished(
                    children[0], WorkflowStatus.Finished, WorkflowSubStatus.Faulted, new Dictionary<string, object?>(), [], id, bookmark.Id)),
                WorkflowClient.Wake());
            (await Engine.ReachAsync(id, s => s.LogSequence > before)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        }

        await Engine.SuspendedAsync(children[1]);
        await ResumeAsync(children[1], "Elsa.Event", new { EventName = "go" });
        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("after");
    }

    [Fact]
    public async Task BulkDispatch_ManyItems_CreatesThemInChunksAndWaitsForAll()
    {
        const int Count = (2 * BulkDispatchWorkflows.ChunkSize) + 1;
        var items = $"[{string.Join(',', Enumerable.Range(0, Count))}]";

        var id = await StartAsync(Sequence(Bulk(await Engine.DefineAsync(Line("x")), Object(items)), Line("after")));

        var state = await Engine.FinishedAsync(id);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await ChildrenAsync(id, "AND sub_status = 'Finished'")).ShouldBe(Count);
        // One transaction has one now(): as many as there were commits that created children.
        (await Engine.ScalarAsync<long>("SELECT count(DISTINCT created_at) FROM wf.instances WHERE parent_instance_id = $1", id)).ShouldBe(3);
        (await Engine.LinesAsync(id)).ShouldBe("after");
    }
}
