using Aura.Testing;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Activities;

public sealed class PrimitiveTests(TestDatabase database) : ActivityTests(database)
{
    [Fact]
    public async Task SetName_Runs_NamesTheInstance()
    {
        var id = await StartAsync("""{"type":"Elsa.SetName","value":"Order 7"}""");

        (await Engine.ScalarAsync<string>("SELECT name FROM wf.instances WHERE id = $1", id)).ShouldBe("Order 7");
    }

    [Fact]
    public async Task Correlate_ThenWait_TheBookmarkCarriesTheCorrelationId()
    {
        var name = Guid.NewGuid().ToString("N");
        var id = await StartAsync(Sequence("""{"type":"Elsa.Correlate","correlationId":"order-7"}""", Wait(name), Line("after")));

        await Engine.RunAsync($$"""{"type":"Elsa.PublishEvent","eventName":"{{name}}","correlationId":"order-8"}""");
        (await Engine.LinesAsync(id)).ShouldBe("");
        await Engine.RunAsync($$"""{"type":"Elsa.PublishEvent","eventName":"{{name}}","correlationId":"order-7"}""");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("after");
        (await Engine.ScalarAsync<string>("SELECT correlation_id FROM wf.instances WHERE id = $1", id)).ShouldBe("order-7");
    }

    [Fact]
    public async Task ReadLine_TextComes_IsItsResult()
    {
        var id = await StartAsync(Sequence("""{"type":"Elsa.ReadLine","result":{"memoryReference":{"id":"text"} } }""", Show("text")), Variables("text=null"));
        (await StateAsync(id)).Bookmarks.ShouldHaveSingleItem().Name.ShouldBe("Elsa.ReadLine");

        await ResumeAsync(id, "Elsa.ReadLine", "", new() { ["ReadLineInput"] = "typed" });

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("typed");
    }

    [Fact]
    public async Task Inline_InAComposite_RunsItsCodeAndGivesItsValue()
    {
        var id = await StartAsync("""{"type":"Test.Counting"}""", """ "outputs":[{"name":"Sum","type":"Object"}] """);

        (await Engine.FinishedAsync(id)).Output["Sum"].GetInt32().ShouldBe(3);
    }

    [Theory]
    [InlineData("Elsa.SetVariable", typeof(SetVariable))]
    [InlineData("Elsa.ForEach", typeof(ForEach))]
    [InlineData("Elsa.ParallelForEach", typeof(ParallelForEach))]
    [InlineData("Elsa.Inline", null)]
    public void Registry_TypesWithGenericForms_ReadsTheUntypedOne(string typeName, Type? type) =>
        (new ActivityRegistry().Find(typeName)?.ClrType).ShouldBe(type);

    [Fact]
    public async Task Event_StartsTheWorkflowInALoop_WaitsTheSecondTime()
    {
        var name = Guid.NewGuid().ToString("N");
        var trigger = $$"""{"type":"Elsa.Event","id":"come","eventName":"{{name}}","customProperties":{"canStartWorkflow":true},"result":{"typeName":"Object","memoryReference":{"id":"v"} } }""";
        var definition = await Engine.DefineAsync(ForEach("[1,2]", Sequence(trigger, Show("v"))), Variables("v=null"));

        await Engine.RunAsync($$"""{"type":"Elsa.PublishEvent","eventName":"{{name}}","payload":"one"}""");
        await EventuallyAsync(() => Engine.ScalarAsync<long>("SELECT count(*) FROM wf.instances WHERE definition_id = $1 AND sub_status = 'Suspended'", definition));
        var id = await Engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1", definition);
        (await Engine.LinesAsync(id)).ShouldBe("one");
        await ResumeOnAnotherHostAsync(id, name, "two");

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("one two");
    }

    [Fact]
    public async Task PublishEvent_Local_ReachesOnlyItsOwnInstance()
    {
        var name = Guid.NewGuid().ToString("N");
        var other = await StartAsync(Sequence(Wait(name), Line("other")));

        var id = await StartAsync(Parallel(
            Sequence(Wait(name), Line("heard")), Sequence($$"""{"type":"Elsa.PublishEvent","eventName":"{{name}}","isLocalEvent":true}""", Line("sent"))));

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("sent heard");
        (await StateAsync(other)).SubStatus.ShouldBe(WorkflowSubStatus.Suspended);
        await ResumeAsync(other, "Elsa.Event", new { EventName = name });
    }

    [Fact]
    public async Task SetVariable_NoVariable_Faults() =>
        (await Engine.RunAsync("""{"type":"Elsa.SetVariable","id":"set","value":1}""")).Incidents.ShouldHaveSingleItem().Message.ShouldContain("'set' names no variable");

    [Fact]
    public async Task Finish_InALoopBesideAWait_LeavesNothingRunning()
    {
        var id = await StartAsync(While("true", Parallel(Wait("never"), Sequence(Line("a"), """{"type":"Elsa.Finish"}""", Line("b")), Sequence(Line("c"), Line("d")))));

        var state = await Engine.FinishedAsync(id);

        state.SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        state.Bookmarks.ShouldBeEmpty();
        state.Scheduled.ShouldBeEmpty();
        (await Engine.LinesAsync(id)).ShouldBe("a c");
        (await Engine.ScalarAsync<long>("SELECT count(*) FROM wf.activity_executions WHERE instance_id = $1 AND status NOT IN ('Completed', 'Canceled')", id)).ShouldBe(0);
        (await Engine.ScalarAsync<string>("SELECT status FROM wf.activity_executions WHERE instance_id = $1 AND activity_type = 'Elsa.Workflow'", id)).ShouldBe("Completed");
    }

    [Fact]
    public async Task RunTask_Requested_HostReadsTheBookmarkAndAnswers()
    {
        var id = await StartAsync(
            Sequence(
                $$"""
                {"type":"Elsa.RunTask","id":"ask","taskName":"Approve","payload":{{Object("""{"Order":7}""")}},
                 "result":{"typeName":"Object","memoryReference":{"id":"answer"} } }
                """,
                Show("answer")),
            Variables("answer=null"));
        var bookmark = (await StateAsync(id)).Bookmarks.ShouldHaveSingleItem();
        bookmark.Name.ShouldBe("Elsa.RunTask");
        var request = bookmark.Payload!.Value;
        request.GetProperty("taskName").GetString().ShouldBe("Approve");
        request.GetProperty("payload").GetProperty("Order").GetInt32().ShouldBe(7);
        var taskId = request.GetProperty("taskId").GetString()!;

        // Whoever completes the task knows its id only.
        await Engine.Client.SendStimulusAsync(
            "Elsa.RunTask", new { TaskId = taskId }, new Dictionary<string, object?> { ["RunTaskInput"] = "granted" }, cancellationToken: TestContext.Current.CancellationToken);

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("granted");
        (await Engine.ScalarAsync<string>("SELECT payload->>'TaskId' FROM wf.activity_executions WHERE instance_id = $1 AND activity_id = 'ask'", id)).ShouldBe(taskId);
    }

    [Fact]
    public async Task RunTask_TwoAtOnce_EachGetsItsOwnAnswer()
    {
        var id = await StartAsync(ForEach("""["a","b"]""", Sequence("""{"type":"Elsa.RunTask","taskName":"t"}""", Show("CurrentValue")), "ParallelForEach"));
        var tasks = (await StateAsync(id)).Bookmarks.Select(b => b.Payload!.Value.GetProperty("taskId").GetString()!).ToList();
        tasks.Distinct().Count().ShouldBe(2);

        await ResumeAsync(id, "Elsa.RunTask", new { TaskId = tasks[1] });
        (await Engine.LinesAsync(id)).ShouldBe("b");
        await ResumeAsync(id, "Elsa.RunTask", new { TaskId = tasks[0] });

        await Engine.FinishedAsync(id);
        (await Engine.LinesAsync(id)).ShouldBe("b a");
    }
}

/// <summary>Code in a composite: a value, a typed variable, an output.</summary>
[Activity("Test")]
public sealed class Counting : Composite
{
    public Counting()
    {
        var sum = new Variable<int>("Sum");
        Variables = [sum];
        Root = new Sequence
        {
            Activities =
            [
                new SetVariable<int>(sum, new(1)),
                new Inline<int>(context => sum.Get(context) + 2) { Result = new(sum) },
                new Inline(context => context.WorkflowExecutionContext.Output["Sum"] = sum.Get(context)),
            ],
        };
    }
}
