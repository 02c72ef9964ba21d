using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Definitions.VersioningTests;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>What publishing checks, and the triggers that it writes.</summary>
public sealed class PublishingTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    private DefinitionStore Store => _engine.Definitions;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Cobol","value":"MOVE"} } }""", "x", "'Cobol'")]
    [InlineData("""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Variable","value":{"id":"v9","name":"Nine"} } } }""", "x", "'Nine'")]
    [InlineData("""{"type":"Elsa.SetVariable","id":"x","variable":{"id":"v9","name":"Nine"},"value":1}""", "x", "'Nine'")]
    [InlineData("""{"type":"Elsa.Flowchart","id":"f","activities":[{"type":"Elsa.WriteLine","id":"a"}],"connections":[{"source":{"activity":"a"},"target":{"activity":"b"} }]}""", "f", "'b'")]
    [InlineData("""{"type":"Elsa.Sequence","id":"s","activities":[{"type":"Elsa.WriteLine","id":"a"},{"type":"Elsa.WriteLine","id":"a"}]}""", "a", "'a'")]
    [InlineData("""{"type":"Elsa.If","id":"s","then":[]}""", null, "root.then")]
    [InlineData("""{"type":"Nobody","id":"n","workflowDefinitionId":"nobody"}""", "n", "'nobody'")]
    [InlineData("""{"type":"Test.Alarm","id":"t","name":"x","customProperties":{"canStartWorkflow":true},"pattern":"bad"}""", "t", "Error when parsing cron expression: bad")]
    public async Task Publish_WhatCannotRun_NamesItAndChangesNothing(string root, string? activityId, string message)
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, root));

        var result = (await Store.PublishAsync(id))!;

        var error = result.ValidationErrors.ShouldHaveSingleItem();
        error.ActivityId.ShouldBe(activityId);
        error.Message.ShouldContain(message);
        (await Store.FindAsync(id, VersionOptions.Published)).ShouldBeNull();
        (await Store.ValidateAsync(result.Definition)).ShouldBe(result.ValidationErrors);
    }

    [Fact]
    public async Task Publish_WithErrorsAllowed_ReportsThem()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, Trigger("t", "bad")));

        var result = (await Store.PublishAsync(id, failOnValidationErrors: false))!;

        result.ValidationErrors.ShouldHaveSingleItem();
        result.Definition.IsPublished.ShouldBeTrue();
        (await TriggersAsync(id)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Publish_UnknownActivityType_IsRefusedAndElseFaultsWhenItRuns()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, Sequence(Line("before"), """{"type":"Acme.Unknown","id":"u","version":3}""")));

        (await Store.PublishAsync(id))!.ValidationErrors.ShouldHaveSingleItem().Code.ShouldBe(ValidationCodes.UnknownActivity);
        (await Store.PublishAsync(id, failOnValidationErrors: false))!.Definition.IsPublished.ShouldBeTrue();

        var instance = await _engine.StartWorkflowAsync(id);
        var state = await _engine.FinishedAsync(instance);
        state.SubStatus.ShouldBe(WorkflowSubStatus.Faulted);
        (await _engine.LinesAsync(instance)).ShouldBe("before");
        state.Incidents.ShouldHaveSingleItem().Message.ShouldContain("Acme.Unknown");
    }

    [Fact]
    public async Task Publish_Triggers_KeepTheirIdsWhileTheyStayTheSame()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, Sequence(Trigger("a", "1"), Trigger("b", "2"), Trigger("c", "3", canStart: false)), more: """ "options":{"activationStrategyType":"Elsa.Workflows.Runtime.ActivationValidators.SingletonStrategy, Elsa.Workflows.Runtime"},"""));
        await Store.PublishAsync(id);
        var before = await TriggersAsync(id);

        await Store.SaveDraftAsync(Document(id, Sequence(Trigger("a", "1"), Trigger("b", "other"))));
        await Store.PublishAsync(id);

        var after = await TriggersAsync(id);
        before.Select(t => (t.Activity, t.Version, t.Strategy)).ShouldBe([("a", 1, "Singleton"), ("b", 1, "Singleton")]);
        after.Select(t => (t.Activity, t.Version, t.Strategy)).ShouldBe([("a", 2, ""), ("b", 2, "")]);
        after[0].Id.ShouldBe(before[0].Id);
        after[1].Id.ShouldNotBe(before[1].Id);

        await Store.RetractAsync(id);
        (await TriggersAsync(id)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Publish_Trigger_StartsOnItsStimulus()
    {
        var id = NewId();
        var name = Guid.NewGuid().ToString("N");
        await Store.SaveDraftAsync(Document(id, Sequence(
            """{"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Variable","value":{"id":"v"} } },"customProperties":{"canStartWorkflow":true} }""",
            Line("started")), more: $$""" "variables":[{"id":"v","name":"v","typeName":"String","value":"{{name}}"}],"""));
        (await Store.PublishAsync(id))!.ValidationErrors.ShouldBeEmpty();

        await _engine.CommitAsync(_engine.Client.PrepareStimulus("Elsa.Event", new { EventName = name }));

        await _engine.FinishedAsync(await _engine.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1", id));
    }

    [Fact]
    public async Task Publish_RouteOfAnotherWorkflow_IsRefused()
    {
        var path = Guid.NewGuid().ToString("N");
        var (first, second) = (NewId(), NewId());
        await Store.SaveDraftAsync(Document(first, Endpoint(path)));
        await Store.SaveDraftAsync(Document(second, Endpoint(path)));
        (await Store.PublishAsync(first))!.ValidationErrors.ShouldBeEmpty();

        var refused = (await Store.PublishAsync(second))!;

        refused.ValidationErrors.ShouldBe([new(
            "h",
            $"'Alarm' (h), input 'Path': GET /{path} is already answered by the published workflow 'Test' ({first}). "
            + "Choose another path or method, or retract that workflow.")
        {
            Code = ValidationCodes.RouteInUse,
            NodeId = "Workflow1:h",
            ActivityLabel = "Alarm",
            Input = "path",
        }]);
        (await Store.ValidateAsync(refused.Definition)).ShouldBe(refused.ValidationErrors);
        await Store.RetractAsync(first);
        (await Store.PublishAsync(second))!.ValidationErrors.ShouldBeEmpty();
    }

    [Fact]
    public async Task Publish_WithWarnings_IsPublishedAndTells()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, """
            {"type":"Elsa.DispatchWorkflow","id":"d","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":"nobody"} } }
            """));

        var result = (await Store.PublishAsync(id))!;

        result.Definition.IsPublished.ShouldBeTrue();
        result.ValidationErrors.ShouldBeEmpty();
        var warning = result.ValidationWarnings.ShouldHaveSingleItem();
        warning.Code.ShouldBe(ValidationCodes.UnknownDefinition);
        warning.Message.ShouldBe(
            "'Dispatch Workflow' (d), input 'Workflow definition': No version of the workflow 'nobody' is published. "
            + "Publish it before this one runs, or choose another.");
    }

    [Fact]
    public async Task Validate_OptionsOfTheHost_AreAskedFor()
    {
        var id = NewId();
        var draft = await Store.SaveDraftAsync(Document(id, """
            {"type":"Elsa.Sequence","activities":[{"type":"Test.Paint","id":"a","colour":"red"},{"type":"Test.Paint","id":"b","colour":"mud"},
            {"type":"Test.Paint","id":"c","colour":"broken"}]}
            """));

        var warning = (await Store.ValidateAsync(draft)).ShouldHaveSingleItem();

        (warning.Code, warning.IsError).ShouldBe((ValidationCodes.UnknownOption, false));
        warning.Message.ShouldBe("'Paint' (b), input 'Colour': 'mud' is not among the options red, blue, broken. Choose one of them.");
    }

    private static string Endpoint(string path) => $$"""{"type":"Test.Alarm","id":"h","path":"{{path}}","customProperties":{"canStartWorkflow":true} }""";

    private static string Trigger(string id, string pattern, bool canStart = true) =>
        $$"""{"type":"Test.Alarm","id":"{{id}}","pattern":"{{pattern}}","customProperties":{"canStartWorkflow":{{(canStart ? "true" : "false")}} } }""";

    private async Task<List<(string Id, string Activity, int Version, string Strategy)>> TriggersAsync(string definitionId)
    {
        await using var command = _engine.DataSource.CreateCommand(
            "SELECT id, activity_id, version, coalesce(activation_strategy, '') FROM wf.triggers WHERE definition_id = $1 ORDER BY activity_id");
        command.Parameters.Add(new() { Value = definitionId });
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<(string, string, int, string)>();
        while (await reader.ReadAsync())
            rows.Add((reader.GetString(0), reader.GetString(1), reader.GetInt32(2), reader.GetString(3)));
        return rows;
    }
}

[Activity("Test")]
public sealed class Paint : CodeActivity
{
    [Input(UIHint = InputUIHints.DropDown, UIHandler = typeof(Colours))]
    public Input<string>? Colour { get; set; }
}

public sealed class Colours : DropDownOptionsProviderBase
{
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(
        System.Reflection.PropertyInfo property, object? context, CancellationToken cancellationToken) =>
        ValueTask.FromResult<ICollection<SelectListItem>>([new("Red", "red"), new("Blue", "blue"), new("Broken", "broken")]);
}

/// <summary>A trigger with the payloads of a route and of a pattern that may be bad.</summary>
[Activity("Test", Kind = ActivityKind.Trigger)]
public sealed class Alarm : CodeActivity, ITrigger
{
    public Input<string>? Path { get; set; }

    public Input<string>? Pattern { get; set; }

    public ValueTask<IEnumerable<TriggerPayload>> GetTriggerPayloadsAsync(TriggerIndexingContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (context.Get(Pattern) == "bad")
            throw new FormatException("Error when parsing cron expression: bad");
        return ValueTask.FromResult<IEnumerable<TriggerPayload>>(context.Get(Path) is { } path
            ? [new("Elsa.HttpEndpoint", new { Path = path, Method = "get" })]
            : [new("Test.Alarm", new { Pattern = context.Get(Pattern) })]);
    }
}
