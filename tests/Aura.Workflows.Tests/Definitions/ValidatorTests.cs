using Aura.Workflows.Definitions;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>What is found in a definition before it runs, word for word. What needs a database is in <see cref="PublishingTests"/>.</summary>
public sealed class ValidatorTests
{
    private const string Variables = """ "variables":[{"id":"v1","name":"Stock","typeName":"Int32"}],"inputs":[{"name":"Region","type":"String"}],"outputs":[{"name":"Answer","type":"String"}],""";

    private static readonly ActivityRegistry Registry = new ActivityRegistry().AddFrom(typeof(ValidatorTests).Assembly);

    /// <summary>Code, severity, activity, input, root, message.</summary>
    public static TheoryData<string, bool, string?, string?, string, string> Findings => new()
    {
        {
            ValidationCodes.Unreadable, true, null, null, """{"type":"Elsa.If","id":"i","then":[]}""",
            "root.then must be one activity, not a list."
        },
        {
            ValidationCodes.DuplicateId, true, "a", null, Sequence(Line("x", "a"), Line("y", "a")),
            "Two activities in 'Sequence1' have the id 'a'. Give one of them another id; connections must name it, too."
        },
        {
            ValidationCodes.DuplicateId, false, "a", null, Sequence(Line("x", "a"), Nested(Line("y", "a"))),
            "'Write Line' (a): The id 'a' is used 2 times, in 'Sequence1' and 'inner'. Outputs and triggers are looked up by id: give each activity its own."
        },
        {
            ValidationCodes.NoActivities, false, "Sequence1", null, Sequence(),
            "'Sequence' (Sequence1): The workflow holds no activities: it completes as soon as it starts. Add one."
        },
        {
            ValidationCodes.UnknownActivity, true, "u", null, """{"type":"Acme.Orders.Ship","id":"u"}""",
            "'Ship' (u): The activity type 'Acme.Orders.Ship' is not installed on this host. Install the package that holds it, or replace the activity."
        },
        {
            ValidationCodes.UnpublishedWorkflow, true, "n", null, """{"type":"Nobody","id":"n","workflowDefinitionId":"nobody"}""",
            "'Nobody' (n): It uses the workflow 'nobody', of which no version is published as an activity. "
            + "Publish it with 'usable as activity' set, or remove this activity."
        },
        {
            ValidationCodes.UnknownConnection, true, "flow", null, Flow([Line("x", "a")], "a->b"),
            "'Flowchart' (flow): The connection from 'a' to 'b' names 'b', which is not in the flowchart. Remove the connection, or draw it to an activity."
        },
        {
            ValidationCodes.UnknownPort, true, "d", null, Flow([Decision("d"), Line("x", "a"), Line("y", "b")], "d:True->a", "d:False->a", "d:Maybe->b"),
            "'Decision' (d): The connection to 'Write Line' (b) leaves from 'Maybe', which is not among the activity's outcomes True, False. Draw it from one of them."
        },
        {
            ValidationCodes.UnknownPort, false, "e", null, Flow([Line("x", "a"), """{"type":"Elsa.End","id":"e"}"""], "a->e", "e->a"),
            "'End' (e): The connection to 'Write Line' (a) is never followed: this activity ends the flowchart. Remove it."
        },
        {
            ValidationCodes.UnknownPort, false, "j", null,
            Flow(["""{"type":"Elsa.RunJavaScript","id":"j","script":{"typeName":"String","expression":{"type":"Literal","value":"1"} } }""", Line("x", "a")], "j:Paid->a"),
            "'Run JavaScript' (j): The connection to 'Write Line' (a) leaves from 'Paid', which is not among the activity's outcomes Done. Draw it from one of them."
        },
        {
            ValidationCodes.Unreachable, false, "b", null, Flow([Line("x", "a"), Line("y", "b")]),
            "'Write Line' (b): It never runs: no way leads to it from 'Write Line' (a). Connect it, or remove it."
        },
        {
            ValidationCodes.Unreachable, false, "b", null, Sequence("""{"type":"Elsa.Finish","id":"f"}""", Line("y", "b")),
            "'Write Line' (b): It never runs: 'Finish' (f) before it ends the sequence. Move it to the front, or remove it."
        },
        {
            ValidationCodes.NoStart, false, "flow", null, Flow([Decision("a"), Line("y", "b")], "a:True->b", "b->a"),
            "'Flowchart' (flow): Nothing says where it begins: an arrow leads into every activity. It begins at 'Decision' (a), the first one. "
            + "Add a Start activity that leads to the right one."
        },
        {
            ValidationCodes.EndlessCycle, true, "a", null, Flow(["""{"type":"Elsa.Start","id":"s"}""", Line("x", "a"), Line("y", "b")], "s->a", "a->b", "b->a"),
            "'Write Line' (a): The arrows lead round for ever, without a wait and without a way out: 'Write Line' (a), 'Write Line' (b). "
            + "Leave one of the outcomes unconnected, or lead it to an End."
        },
        {
            ValidationCodes.EndlessCycle, false, "a", null,
            Flow(["""{"type":"Elsa.Start","id":"s"}""", Line("x", "a"), """{"type":"Elsa.Delay","id":"b","timeSpan":"00:01:00"}"""], "s->a", "a->b", "b->a"),
            "'Write Line' (a): The arrows lead round for ever: 'Write Line' (a), 'Delay' (b). "
            + "If the workflow is to end some day, leave one of the outcomes unconnected, or lead it to an End."
        },
        {
            ValidationCodes.EndlessLoop, false, "w", "condition", While("true", Line("x")),
            "'While' (w), input 'Condition': Its condition is always true and nothing in its body leaves it. "
            + "Use a condition that can become false, or put a Break into the body."
        },
        {
            ValidationCodes.EndlessLoop, true, "f", "step", """{"type":"Elsa.For","id":"f","step":0}""",
            "'For' (f), input 'Step': The step is 0: the loop would never end. Give a positive or a negative step."
        },
        {
            ValidationCodes.RequiredInput, true, "e", "eventName", """{"type":"Elsa.Event","id":"e","name":"Wait for the order"}""",
            "'Wait for the order' (e), input 'Event Name': A value is required. Give one, or remove the activity."
        },
        {
            ValidationCodes.InvalidValue, true, "d", "timeSpan", """{"type":"Elsa.Delay","id":"d","timeSpan":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"soon"} } }""",
            "'Delay' (d), input 'Time span': The value 'soon' cannot be read as TimeSpan. Write a length of time as d.hh:mm:ss."
        },
        {
            ValidationCodes.InvalidValue, true, "j", "mode", """{"type":"Elsa.FlowJoin","id":"j","mode":"WaitSome"}""",
            "'Join' (j), input 'Mode': The value 'WaitSome' cannot be read as FlowJoinMode. Write one of WaitAny, WaitAll, WaitAllActive."
        },
        {
            ValidationCodes.UnknownOption, false, "h", "supportedMethods",
            """{"type":"Elsa.HttpEndpoint","id":"h","supportedMethods":{"typeName":"String[]","expression":{"type":"Object","value":"[\"GET\",\"GRAB\"]"} } }""",
            "'HTTP Endpoint' (h), input 'Supported Methods': 'GRAB' is not among the options GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS. Choose one of them."
        },
        {
            ValidationCodes.InvalidCron, true, "c", "cronExpression", """{"type":"Elsa.Cron","id":"c","cronExpression":"every day"}""",
            "'Cron' (c), input 'CRON Expression': Error when parsing cron expression: 'every day' has 2 fields; write six (seconds first) or five."
        },
        {
            ValidationCodes.UnknownExpressionType, true, "x", "text", Text("Cobol", "\"MOVE\""),
            "'Write Line' (x), input 'Text': It uses the expression type 'Cobol', which this host does not have. "
            + "Available: Literal, Object, Variable, Input, JavaScript."
        },
        {
            ValidationCodes.ExpressionTypeOff, true, "x", "text", Text("CSharp", "\"1\""),
            "'Write Line' (x), input 'Text': It uses the expression type 'CSharp'. C# is off here."
        },
        {
            ValidationCodes.Syntax, true, "x", "text", Text("JavaScript", "\"1 +\\n  * 2\""),
            "'Write Line' (x), input 'Text': It is no JavaScript, line 2, column 3: Expected an expression but found '*'."
        },
        {
            ValidationCodes.UnknownVariable, true, "x", "text", Text("Variable", """{"id":"v9","name":"Nine"}"""),
            "'Write Line' (x), input 'Text': It names the variable 'Nine', which the workflow does not declare. Declare it, or choose another."
        },
        {
            ValidationCodes.UnknownVariable, true, "x", "variable", """{"type":"Elsa.SetVariable","id":"x","variable":{"id":"v9","name":"Nine"},"value":1}""",
            "'Set Variable' (x), input 'Variable': It names the variable 'Nine', which the workflow does not declare. Declare it, or choose another."
        },
        {
            ValidationCodes.UnknownVariable, true, "x", null,
            """{"type":"Elsa.RunJavaScript","id":"x","result":{"typeName":"Object","memoryReference":{"id":"v9"} } }""",
            "'Run JavaScript' (x): Its output 'Result' goes to 'v9', which is neither a variable nor an output of the workflow. "
            + "Choose another target, or declare it."
        },
        {
            ValidationCodes.UnknownScriptVariable, false, "x", "text", Text("JavaScript", "\"variables.Stok + 1\""),
            "'Write Line' (x), input 'Text': It uses variables.Stok (line 1, column 11), which the workflow does not declare: it is undefined there. "
            + "Declare it, or choose one of: Answer, CurrentIndex, CurrentValue, Region, Stock, v1."
        },
        {
            ValidationCodes.UnknownScriptVariable, false, "x", "text", Text("JavaScript", "\"getStok() + 1\""),
            "'Write Line' (x), input 'Text': It calls getStok (line 1, column 1), but the workflow has neither a variable nor an input nor an output 'Stok'. "
            + "Declare it, or correct the name."
        },
        {
            ValidationCodes.UnknownWorkflowInput, true, "x", "text", Text("Input", """{"name":"Country"}"""),
            "'Write Line' (x), input 'Text': It names the workflow input 'Country', which the workflow does not declare. Declare it, or choose one of: Region."
        },
    };

    /// <summary>What is right, though it looks like one of the above.</summary>
    public static TheoryData<string> Clean => new()
    {
        Flow(["""{"type":"Elsa.Start","id":"s"}""", Decision("d"), Line("x", "a")], "s->d", "d:True->a", "a->d"),
        Flow(["""{"type":"Elsa.Start","id":"s"}""", """{"type":"Elsa.Event","id":"e","eventName":"go","customProperties":{"canStartWorkflow":true} }""", Line("y", "b")], "s->b", "e->b"),
        Flow([Line("x", "a"), """{"type":"Elsa.Finish","id":"u"}"""], "a->u"),
        Flow(["""{"type":"Elsa.FlowFork","id":"f","branches":{"typeName":"String[]","expression":{"type":"JavaScript","value":"['A']"} } }""", Line("x", "a")], "f:A->a"),
        Flow(["""{"type":"Elsa.FlowSwitch","id":"s","cases":[{"label":"Big","condition":{"type":"JavaScript","value":"variables.Stock > 9"} }]}""", Line("x", "a")], "s:Big->a", "s:Default->a"),
        Flow(["""{"type":"Elsa.FlowSendHttpRequest","id":"h","url":"http://example.org"}""", Line("x", "a")], "h:200->a", "h:Timeout->a"),
        While("true", Sequence(Line("x"), """{"type":"Elsa.Break","id":"b"}""")),
        While("true", """{"type":"Elsa.If","id":"i","condition":true,"then":{"type":"Elsa.Finish","id":"f"} }"""),
        Text("JavaScript", "\"setVariable('Made', 1); return getVariable('Made') + variables.stock + getStock() + getRegion()\""),
        Sequence(
            """{"type":"Elsa.RunJavaScript","id":"j","script":{"typeName":"String","expression":{"type":"Literal","value":"setVariable('Made', 1)"} } }""",
            Text("Variable", """{"id":"Made","name":"Made"}""")),
        Text("JavaScript", "\"const getNothing = () => 1; const variables = {}; return getNothing() + variables.Nothing\""),
        """{"type":"Elsa.ForEach","id":"f","items":{"typeName":"Object","expression":{"type":"Object","value":"[1]"} },"body":{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"Variable","value":{"id":"CurrentValue","name":"CurrentValue"} } } } }""",
        """{"type":"Elsa.RunJavaScript","id":"x","result":{"typeName":"Object","memoryReference":{"id":"v1"} } }""",
        """{"type":"Elsa.RunJavaScript","id":"x","result":{"typeName":"Object","memoryReference":{"id":"Answer"} } }""",
        """{"type":"Elsa.RunJavaScript","id":"x","result":{"typeName":"Object","memoryReference":{"id":"x:result"} } }""",
        """{"type":"Elsa.WriteHttpResponse","id":"x","statusCode":200}""",
        """{"type":"Elsa.SendHttpRequest","id":"x","url":"http://example.org","method":"get"}""",
    };

    [Theory]
    [MemberData(nameof(Findings))]
    public async Task Validate_WhatIsWrong_SaysWhereAndWhatToDo(string code, bool isError, string? activityId, string? input, string root, string message)
    {
        var found = (await ValidateAsync(root)).Where(f => f.Code == code).ToList();

        var finding = found.ShouldHaveSingleItem();
        finding.Message.ShouldBe(message);
        (finding.Severity, finding.ActivityId, finding.Input).ShouldBe((isError ? ValidationSeverity.Error : ValidationSeverity.Warning, activityId, input));
    }

    [Theory]
    [MemberData(nameof(Clean))]
    public async Task Validate_WhatIsRight_FindsNothing(string root) => (await ValidateAsync(root)).ShouldBeEmpty();

    [Fact]
    public async Task Validate_Finding_KnowsThePlaceAndWhatPeopleCallIt()
    {
        var root = Sequence("""{"type":"Elsa.Event","id":"e","name":"Event1","metadata":{"displayText":"Order came"} }""");

        var finding = (await ValidateAsync(root)).ShouldHaveSingleItem();

        (finding.NodeId, finding.ActivityLabel).ShouldBe(("Workflow1:Sequence1:e", "Order came"));
        finding.Message.ShouldStartWith("'Order came' (e), input 'Event Name': ");
    }

    [Fact]
    public async Task Validate_Findings_HaveErrorsFirst()
    {
        var found = await ValidateAsync(Flow([Line("x", "a"), Line("y", "b"), """{"type":"Elsa.Event","id":"e"}"""], "a->e"));

        found.Select(f => f.IsError).ShouldBe([true, false]);
    }

    [Fact]
    public async Task Validate_SecretValue_IsNotShown()
    {
        var root = """{"type":"Test.Vault","id":"x","pin":{"typeName":"Int32","expression":{"type":"Literal","value":"hunter2"} } }""";

        (await ValidateAsync(root)).ShouldHaveSingleItem().Message.ShouldBe("'Vault' (x), input 'Pin': The value cannot be read as Int32. Correct it, or choose another kind of expression.");
    }

    [Fact]
    public async Task Validate_ManyOperators_NeedsNoDeepStack() =>
        (await ValidateAsync(Text("JavaScript", "\"0" + string.Concat(Enumerable.Repeat(" + variables.Stock", 1_500)) + "\""))).ShouldBeEmpty();

    [Fact]
    public async Task Validate_CSharpWhereAllowed_IsParsed()
    {
        var types = new ExpressionTypes([ExpressionDescriptor.Script("CSharp", "csharp")]);

        (await ValidateAsync(Text("CSharp", "\"1 +\""), types)).ShouldHaveSingleItem().Message
            .ShouldStartWith("'Write Line' (x), input 'Text': It is no C#, line 1, column 4: CS1733");
        (await ValidateAsync(Text("CSharp", "\"Variables.Stock + 1\""), types)).ShouldBeEmpty();
    }

    private static ExpressionTypes Types => new(
        [ExpressionDescriptor.Script("JavaScript", "javascript")],
        new Dictionary<string, string> { ["CSharp"] = "C# is off here." });

    private static Task<IReadOnlyList<DefinitionValidationError>> ValidateAsync(string root, ExpressionTypes? types = null) => Examination.FindingsAsync(
        WorkflowDefinition.Parse($$"""{"definitionId":"d","name":"Test",{{Variables}}"root":{{root}}}""", "test"), Registry, types ?? Types);

    private static string Text(string type, string value) =>
        $$"""{"type":"Elsa.WriteLine","id":"x","text":{"typeName":"String","expression":{"type":"{{type}}","value":{{value}} } } }""";

    private static string Decision(string id) => $$"""{"type":"Elsa.FlowDecision","id":"{{id}}"}""";

    private static string While(string condition, string body) => $$"""{"type":"Elsa.While","id":"w","condition":{{condition}},"body":{{body}} }""";

    private static string Nested(string activity) => $$"""{"type":"Elsa.Sequence","id":"inner","activities":[{{activity}}]}""";
}

/// <summary>What publishing looks at, without a database.</summary>
internal static class Examination
{
    private static readonly ServiceProvider Services = new ServiceCollection().AddSingleton(TimeProvider.System).BuildServiceProvider();

    public static async Task<IReadOnlyList<DefinitionValidationError>> FindingsAsync(
        WorkflowDefinition definition, ActivityRegistry registry, ExpressionTypes types) =>
        (await DefinitionValidator.ExamineAsync(
            () => Task.FromResult(new ActivityReader(registry).Read(definition)), types, Services,
            (_, _) => Task.FromResult<IReadOnlyCollection<string>>([]), TestContext.Current.CancellationToken)).Findings.All;
}

[Activity("Test")]
public sealed class Vault : CodeActivity
{
    [Input(IsSensitive = true)]
    public Input<int>? Pin { get; set; }
}
