using Aura.Testing;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Workflows.Tests.Builders;

public sealed class CodeWorkflowTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly ActivityRegistry _registry = new ActivityRegistry().AddFrom(typeof(CodeWorkflowTests).Assembly);

    [Fact]
    public async Task AddWorkflow_HostStarts_PublishesItOnceAndRunsIt()
    {
        await using var first = await EngineHost.StartAsync(database.ConnectionString, services: s => s.AddWorkflow<Greeting>());
        await using var second = await EngineHost.StartAsync(database.ConnectionString, services: s => s.AddWorkflow<Greeting>());

        var published = (await first.Definitions.FindAsync("greeting", VersionOptions.Published))!;
        var instance = await first.StartWorkflowAsync("greeting", new { Who = "Ada" });
        var state = await first.FinishedAsync(instance);

        (published.Version, published.Name).ShouldBe((1, "Greeting"));
        (await first.LinesAsync(instance)).ShouldBe("3 Ada");
        state.Output["Greeted"].GetString().ShouldBe("Ada");
    }

    [Fact]
    public async Task AddWorkflow_EditedInTheDatabase_KeepsTheEdit()
    {
        await using (await EngineHost.StartAsync(database.ConnectionString, services: s => s.AddWorkflow<Redrawn>()))
        {
        }

        await using var engine = await EngineHost.StartAsync(database.ConnectionString);
        var published = (await engine.Definitions.FindAsync(nameof(Redrawn), VersionOptions.Published))!;
        await engine.Definitions.SaveDraftAsync(VersioningDocument(published));
        await engine.Definitions.PublishAsync(nameof(Redrawn));

        await using var again = await EngineHost.StartAsync(database.ConnectionString, services: s => s.AddWorkflow<Redrawn>());

        (await again.Definitions.FindAsync(nameof(Redrawn), VersionOptions.Published))!.Version.ShouldBe(2);
    }

    [Fact]
    public async Task AddWorkflow_Flowchart_FollowsItsArrowsFromItsStart()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString, services: s => s.AddWorkflow<Charted>());

        var instance = await engine.StartWorkflowAsync(nameof(Charted));
        await engine.FinishedAsync(instance);

        (await engine.LinesAsync(instance)).ShouldBe("first yes");
    }

    [Fact]
    public async Task Write_SameCode_GivesTheSameContent()
    {
        (await WriteAsync<Greeting>()).ContentHash.ShouldBe((await WriteAsync<Greeting>()).ContentHash);
        (await WriteAsync<Charted>()).ContentHash.ShouldBe((await WriteAsync<Charted>()).ContentHash);
    }

    [Fact]
    public async Task Write_Builder_DeclaresWhatWasAsked()
    {
        var definition = await WriteAsync<Greeting>();
        var json = definition.Json;

        definition.Inputs.ShouldHaveSingleItem().Name.ShouldBe("Who");
        definition.UsableAsActivity.ShouldBeTrue();
        definition.Options.ActivationStrategy.ShouldBe(ActivationStrategy.CorrelatedSingleton);
        json.GetProperty("customProperties").GetProperty("team").GetString().ShouldBe("blue");
        var variables = json.GetProperty("variables").EnumerateArray()
            .Select(v => $"{v.Text("id")} {v.Text("name")} {v.Text("typeName")} {v.Flag("isArray")} {v.Text("value")}");
        variables.ShouldBe([
            "countVariable Count Int32 False 3", "variable2Variable Variable2 String False ", """tagsVariable Tags String True ["a","b"]"""]);
        var read = new ActivityReader(_registry).Read(definition);
        var findings = new ValidationFindings(read);
        DefinitionValidator.Validate(read, new ExpressionTypes([]), findings);
        findings.All.ShouldBeEmpty();
        ((Workflow)read.Graph.Root.Activity).Variables.Last().Value.ShouldBe(new[] { "a", "b" });
    }

    [Fact]
    public async Task Write_WithoutRoot_NamesTheWorkflow() =>
        (await Should.ThrowAsync<InvalidDefinitionException>(WriteAsync<Empty>)).Message.ShouldContain(nameof(Empty));

    [Fact]
    public async Task Write_UnregisteredActivity_NamesTheClass() =>
        (await Should.ThrowAsync<InvalidDefinitionException>(WriteAsync<Unregistered>)).Message.ShouldContain(nameof(Hidden));

    private static System.Text.Json.JsonElement VersioningDocument(WorkflowDefinition definition) =>
        System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement>(definition.Json.GetRawText().Replace("\"first\"", "\"edited\"", StringComparison.Ordinal));

    private async Task<WorkflowDefinition> WriteAsync<T>()
        where T : WorkflowBase, new()
    {
        var builder = new WorkflowBuilder();
        await ((IWorkflow)new T()).BuildAsync(builder, TestContext.Current.CancellationToken);
        return new DefinitionWriter(_registry).Write(builder, typeof(T).Name);
    }

    private sealed class Greeting : WorkflowBase
    {
        protected override void Build(IWorkflowBuilder builder)
        {
            builder.WithDefinitionId("greeting");
            builder.WithCustomProperty("team", "blue").WithActivationStrategyType<CorrelatedSingletonStrategy>();
            builder.WorkflowOptions.UsableAsActivity = true;
            builder.WithInput<string>("Who");
            builder.WithOutput<string>("Greeted");
            var count = builder.WithVariable("Count", 3);
            var copy = builder.WithVariable<string>();
            builder.WithVariable("Tags", new[] { "a", "b" });
            builder.Root = new Sequence
            {
                Activities =
                {
                    new WriteLine { Text = new(count) },
                    new SetVariable { Variable = copy, Value = new(Expression.InputOf("Who")) },
                    new WriteLine { Text = new(copy) },
                    new Echo { Value = new(copy), Result = new("Greeted") },
                },
            };
        }
    }

    /// <summary>For the test that edits it.</summary>
    private sealed class Redrawn : Charted;

    private class Charted : WorkflowBase
    {
        protected override ValueTask BuildAsync(IWorkflowBuilder builder, CancellationToken cancellationToken = default)
        {
            var (first, choice, yes, no) = (new WriteLine("first"), new FlowDecision { Condition = new(true) }, new WriteLine("yes"), new WriteLine("no"));
            builder.Root = new Flowchart
            {
                Activities = { no, yes, choice, first },
                Start = first,
                Connections = [new(first, choice), new(new Endpoint(choice, "True"), new Endpoint(yes)), new(choice, no, "False")],
            };
            return default;
        }
    }

    private sealed class Empty : WorkflowBase;

    private sealed class Unregistered : WorkflowBase
    {
        protected override void Build(IWorkflowBuilder builder) => builder.Root = new Hidden();
    }

    private sealed class Hidden : CodeActivity;
}

/// <summary>Puts out what it gets.</summary>
[Activity("Test")]
public sealed class Echo : CodeActivity<string>
{
    public Input<string>? Value { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.SetResult(context.Get(Value));
    }
}
