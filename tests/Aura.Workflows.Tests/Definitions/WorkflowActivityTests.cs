using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Definitions.VersioningTests;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>Published workflows as activities of others.</summary>
public sealed class WorkflowActivityTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Usable = """ "options":{"usableAsActivity":true},""";

    private EngineHost _engine = null!;

    private DefinitionStore Store => _engine.Definitions;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Descriptor_PublishedAndUsable_TellsInputsOutputsAndOutcomes()
    {
        var name = NewName();
        var child = await PublishAsync(name, Line("inside"), """
            "inputs":[{"type":"String","name":"Region","displayName":"Sales region","uiHint":"multiline"},{"type":"Int32","name":"Name","isArray":true}],
            "outputs":[{"type":"Boolean","name":"Approved"}],"outcomes":["Yes","No"],
            "options":{"usableAsActivity":true,"activityCategory":"Sales"},
            """);

        var descriptor = (await Store.ListActivitiesAsync()).Single(d => d.TypeName == TypeOf(name));

        (descriptor.Category, descriptor.DisplayName, descriptor.IsBrowsable, descriptor.Version).ShouldBe(("Sales", name, true, 1));
        descriptor.Inputs.Select(i => (i.Name, i.TypeName, i.DisplayName, i.UIHint)).ShouldBe(
            [("Region", "String", "Sales region", "multiline"), ("_Name", "Int32[]", "Name", "multitext")]);
        descriptor.Outputs.ShouldHaveSingleItem().TypeName.ShouldBe("Boolean");
        descriptor.Ports.Select(p => p.Name).ShouldBe(["Yes", "No"]);
        descriptor.CustomProperties["RootType"].ShouldBe("WorkflowDefinitionActivity");
        descriptor.ConstructionProperties["WorkflowDefinitionId"].ShouldBe(child);
    }

    [Fact]
    public async Task Descriptor_DraftOrNotUsable_IsNotThere()
    {
        var (draft, plain) = (NewName(), NewName());
        await Store.SaveDraftAsync(Document(NewId(), Line("a"), draft, Usable));
        await PublishAsync(plain, Line("a"), "");

        var names = (await Store.ListActivitiesAsync()).Select(d => d.TypeName).ToList();

        names.ShouldNotContain(TypeOf(draft));
        names.ShouldNotContain(TypeOf(plain));
    }

    [Fact]
    public async Task Run_InputsAndOutputs_PassThroughAndNothingLeaks()
    {
        var name = NewName();
        await PublishAsync(name, Sequence(
            """{"type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Input","value":{"name":"Region"} } } }""",
            """{"type":"Elsa.SetVariable","variable":{"id":"inner","name":"Shared"},"value":"inner value"}""",
            $$"""{"type":"Elsa.SetVariable","variable":{"id":"Receipt","name":"Receipt"},"value":{{Variable("Region")}}}"""), """
            "variables":[{"id":"inner","name":"Shared","typeName":"String"}],
            "inputs":[{"type":"String","name":"Region"}],"outputs":[{"type":"String","name":"Receipt"}],"options":{"usableAsActivity":true},
            """);
        var root = Sequence(
            $$"""{"type":"{{TypeOf(name)}}","region":{"typeName":"String","expression":{"type":"Variable","value":{"id":"Receipt"} } },"receipt":{"typeName":"String","memoryReference":{"id":"Receipt"} } }""",
            $$"""{"type":"Elsa.WriteLine","text":{{Variable("Shared")}}}""",
            $$"""{"type":"Elsa.WriteLine","text":{{Variable("Receipt")}}}""");

        // The workflow's own input has the same name; its variables have the names of the child's.
        var lines = await _engine.LinesOfAsync(root, new { Region = "from the start" }, """
            "variables":[{"id":"Receipt","name":"Receipt","typeName":"String","value":"outer"},{"id":"s","name":"Shared","typeName":"String","value":"untouched"}]
            """);

        lines.ShouldBe("outer untouched outer");
    }

    [Fact]
    public async Task Run_ChildThatWaits_GoesOnInsideItsParentOnAnotherHost()
    {
        var name = NewName();
        var label = Guid.NewGuid().ToString("N");
        await PublishAsync(name, Sequence(
            $$"""{"type":"Test.Block","id":"b","label":"{{label}}"}""", $$"""{"type":"Elsa.WriteLine","text":{{Variable("count")}}}"""), $$"""
            "variables":[{"id":"count","name":"count","typeName":"Int32","value":"7"}],{{Usable}}
            """);
        var parent = await _engine.DefineAsync(Sequence($$"""{"type":"{{TypeOf(name)}}","id":"c"}""", Line("after")));
        var instance = await _engine.StartWorkflowAsync(parent);
        var state = await _engine.SuspendedAsync(instance);
        await _engine.DisposeAsync();
        _engine = await EngineHost.StartAsync(database.ConnectionString);

        await _engine.CommitAsync(_engine.Client.PrepareStimulus("Test.Block", new { Label = label }));

        state.Bookmarks.ShouldHaveSingleItem().ActivityNodeId.ShouldBe("Workflow1:Sequence1:c:Sequence1:b");
        await _engine.FinishedAsync(instance);
        (await _engine.LinesAsync(instance)).ShouldBe("7 after");
    }

    [Fact]
    public async Task Run_CompleteInside_GivesItsOutcomesToTheParentOnly()
    {
        var name = NewName();
        await PublishAsync(name, Sequence("""{"type":"Elsa.Complete","outcomes":"Yes"}""", Line("never")), $$""" "outcomes":["Yes","No"],{{Usable}} """);

        (await _engine.LinesOfAsync(Flow(
            [$$"""{"type":"{{TypeOf(name)}}","id":"c"}""", Line("yes", "y"), Line("no", "n")], "c:Yes->y", "c:No->n"))).ShouldBe("yes");
    }

    [Fact]
    public async Task Run_ChildWithinChild_PassesOutputsUp()
    {
        var (inner, outer) = (NewName(), NewName());
        await PublishAsync(inner, $$"""{"type":"Elsa.SetVariable","variable":{"id":"Out","name":"Out"},"value":{{Variable("In")}}}""", $$"""
            "inputs":[{"type":"String","name":"In"}],"outputs":[{"type":"String","name":"Out"}],{{Usable}}
            """);
        await PublishAsync(outer, $$"""
            {"type":"{{TypeOf(inner)}}","in":{"typeName":"String","expression":{"type":"Input","value":{"name":"In"} } },"out":{"typeName":"String","memoryReference":{"id":"Out"} } }
            """, $$""" "inputs":[{"type":"String","name":"In"}],"outputs":[{"type":"String","name":"Out"}],{{Usable}} """);

        var state = await _engine.RunAsync(
            $$"""{"type":"{{TypeOf(outer)}}","in":"deep","out":{"typeName":"String","memoryReference":{"id":"Result"} } }""",
            more: """ "outputs":[{"type":"String","name":"Result"}] """);

        state.Output["Result"].GetString().ShouldBe("deep");
    }

    [Fact]
    public async Task Resolve_StaleIds_FallsBackToTheName()
    {
        var name = NewName();
        await PublishAsync(name, Line("found"), Usable);

        (await _engine.LinesOfAsync(
            $$"""{"type":"{{TypeOf(name)}}","version":7,"workflowDefinitionId":"gone","workflowDefinitionVersionId":"gone-v7"}""")).ShouldBe("found");
    }

    [Fact]
    public async Task Resolve_VersionId_WinsOverNewerVersions()
    {
        var name = NewName();
        var child = await PublishAsync(name, Line("one"), Usable);
        var first = (await Store.FindAsync(child, VersionOptions.Published))!;
        await PublishAsync(name, Line("two"), Usable, child);

        (await _engine.LinesOfAsync($$"""{"type":"{{TypeOf(name)}}","version":1,"workflowDefinitionId":"{{child}}","workflowDefinitionVersionId":"{{first.Id}}"}""")).ShouldBe("one");
        (await _engine.LinesOfAsync($$"""{"type":"{{TypeOf(name)}}","version":9,"workflowDefinitionId":"{{child}}"}""")).ShouldBe("two");
    }

    [Fact]
    public async Task Resolve_PublishedParent_KeepsTheVersionItWasPublishedWith()
    {
        var name = NewName();
        var child = await PublishAsync(name, Line("one"), Usable);
        var parent = await PublishAsync(NewName(), $$"""{"type":"{{TypeOf(name)}}","id":"c"}""", "");
        await PublishAsync(name, Line("two"), Usable, child);

        // A host that has read neither before.
        await using var other = await EngineHost.StartAsync(database.ConnectionString);
        var instance = await other.StartWorkflowAsync(parent);
        await other.FinishedAsync(instance);

        (await other.LinesAsync(instance)).ShouldBe("one");
    }

    [Fact]
    public async Task Resolve_ChildPublishedLater_IsFoundWithoutARestart()
    {
        var name = NewName();
        var parent = await _engine.DefineAsync($$"""{"type":"{{TypeOf(name)}}","id":"c"}""");
        (await _engine.FinishedAsync(await _engine.StartWorkflowAsync(parent))).SubStatus.ShouldBe(WorkflowSubStatus.Faulted);

        await PublishAsync(name, Line("there"), Usable);

        var instance = await _engine.StartWorkflowAsync(parent);
        await _engine.FinishedAsync(instance);
        (await _engine.LinesAsync(instance)).ShouldBe("there");
    }

    [Fact]
    public async Task Publish_WorkflowThatUsesItself_IsRefused()
    {
        var (a, b) = (NewName(), NewName());
        var first = await PublishAsync(a, Line("leaf"), Usable);
        await PublishAsync(b, $$"""{"type":"{{TypeOf(a)}}"}""", Usable);
        await Store.SaveDraftAsync(Document(first, $$"""{"type":"{{TypeOf(b)}}"}""", a, Usable));

        var result = (await Store.PublishAsync(first))!;

        result.ValidationErrors.ShouldHaveSingleItem().Message.ShouldContain($"{a} → {b} → {a}");
    }

    [Fact]
    public async Task Publish_AutoUpdate_MovesConsumersChildrenFirst()
    {
        const string Auto = """ "options":{"usableAsActivity":true,"autoUpdateConsumingWorkflows":true},""";
        var (c, m, t, d) = (NewName(), NewName(), NewName(), NewName());
        var child = await PublishAsync(c, Line("one"), Auto);
        var middle = await PublishAsync(m, $$"""{"type":"{{TypeOf(c)}}","id":"c"}""", Usable);
        // Uses both, so that it must come last.
        var top = await PublishAsync(t, Sequence($$"""{"type":"{{TypeOf(m)}}","id":"m"}""", $$"""{"type":"{{TypeOf(c)}}","id":"c"}"""), "");
        var draft = NewId();
        await Store.SaveDraftAsync(Document(draft, $$"""{"type":"{{TypeOf(c)}}","id":"c"}""", d));

        await Store.SaveDraftAsync(Document(child, Line("two"), c, Auto));
        var result = (await Store.PublishAsync(child))!;

        result.UpdatedConsumers.Order().ShouldBe(new[] { middle, top, draft }.Order());
        result.UpdatedConsumers.ToList().IndexOf(top).ShouldBeGreaterThan(result.UpdatedConsumers.ToList().IndexOf(middle));
        (await Store.FindConsumersAsync(child)).ShouldBe(new[] { middle, top, draft }.Order(StringComparer.Ordinal));
        (await Store.FindConsumersAsync(top)).ShouldBeEmpty();
        (await Store.FindAsync(top, VersionOptions.Published))!.Version.ShouldBe(2);
        (await Store.FindAsync(draft, VersionOptions.Latest))!.ShouldSatisfyAllConditions(
            x => x.Version.ShouldBe(1), x => x.IsPublished.ShouldBeFalse(), x => x.Json.GetRawText().ShouldContain(result.Definition.Id));
        var instance = await _engine.StartWorkflowAsync(top);
        await _engine.FinishedAsync(instance);
        (await _engine.LinesAsync(instance)).ShouldBe("two two");
    }

    [Fact]
    public async Task View_Consumer_ShowsTheReferenceAndNotTheInside()
    {
        var name = NewName();
        var child = await PublishAsync(name, Sequence(Line("secret")), Usable);
        var parent = await Store.SaveDraftAsync(Document(NewId(), $$"""{"type":"{{TypeOf(name)}}","id":"c"}"""));

        var root = (await Store.ViewAsync(parent)).GetProperty("root");

        root.GetProperty("workflowDefinitionId").GetString().ShouldBe(child);
        root.GetProperty("latestAvailablePublishedVersion").GetInt32().ShouldBe(1);
        root.GetProperty("nodeId").GetString().ShouldBe("Workflow1:c");
        root.GetRawText().ShouldNotContain("secret");
    }

    [Fact]
    public async Task ViewActivity_NodeInsideAUsedWorkflow_HasItsPlaceInTheUser()
    {
        var (inner, outer) = (NewName(), NewName());
        await PublishAsync(inner, Sequence(Line("deep", "l")), Usable);
        await PublishAsync(outer, Sequence($$"""{"type":"{{TypeOf(inner)}}","id":"i"}"""), Usable);
        var user = await Store.SaveDraftAsync(Document(NewId(), $$"""{"type":"{{TypeOf(outer)}}","id":"o"}"""));

        var view = (await Store.ViewActivityAsync(user.Id, "Workflow1:o:Sequence1:i"))!;

        view.Port.ShouldBe("Activities");
        view.Activity.GetProperty("nodeId").GetString().ShouldBe("Workflow1:o:Sequence1:i");
        var inside = view.Activity.GetProperty("root");
        inside.GetProperty("nodeId").GetString().ShouldBe("Workflow1:o:Sequence1:i:Sequence1");
        inside.GetProperty("activities")[0].GetProperty("nodeId").GetString().ShouldBe("Workflow1:o:Sequence1:i:Sequence1:l");
        (await Store.ViewActivityAsync(user.Id, "Workflow1:o:Sequence1:i:Sequence1:l"))!.Activity.GetProperty("id").GetString().ShouldBe("l");
        (await Store.ViewActivityAsync(user.Id, "Workflow1:o:nowhere")).ShouldBeNull();
    }

    [Fact]
    public async Task Export_WithConsumers_GivesFilesThatCanBeReadBack()
    {
        var name = NewName();
        var child = await PublishAsync(name, Line("a"), Usable + "\"extra\":{\"kept\":1.50},");
        var parent = await PublishAsync(NewName(), $$"""{"type":"{{TypeOf(name)}}","id":"c"}""", "");
        var version = (await Store.FindAsync(child, VersionOptions.Published))!;

        var files = await Store.ExportAsync([version.Id], includeConsumingWorkflows: true);

        files.Select(f => WorkflowDefinition.Parse(f.Json, f.FileName).DefinitionId).ShouldBe([child, parent]);
        files[0].FileName.ShouldEndWith("-v1.json");
        files[0].Json.ShouldContain("1.50");
        files[0].Json.ShouldEndWith("}\n");
        var file = WorkflowDefinition.Parse(files[0].Json, "file");
        (file.Id, file.Version, file.IsPublished).ShouldBe((version.Id, 1, true));
        file.ContentHash.ShouldBe(version.ContentHash);
        (await Store.ExportAsync([version.Id])).Count.ShouldBe(1);
    }

    private static string NewName() => $"Flow N{Guid.NewGuid():N}";

    private static string TypeOf(string name) => WorkflowActivitySource.TypeNameOf(name);

    private async Task<string> PublishAsync(string name, string root, string more, string? id = null)
    {
        id ??= NewId();
        await Store.SaveDraftAsync(Document(id, root, name, more));
        (await Store.PublishAsync(id))!.ValidationErrors.ShouldBeEmpty();
        return id;
    }
}
