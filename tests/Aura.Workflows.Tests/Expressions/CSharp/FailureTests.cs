using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Tests.Expressions.CSharp;

/// <summary>What is said when a script does not compile, throws, is cancelled or is not allowed.</summary>
public sealed class FailureTests
{
    private const string Count = """ "variables":[{"id":"v1","name":"Count","typeName":"Int32"}] """;

    [Theory]
    [InlineData("1 +", 1, 4, "CS1733")]
    [InlineData("var a = 1;\nreturn a +* 2;", 2, 11, "CS0193")]
    [InlineData("\n\n  Nobody.Home()", 3, 3, "CS0103: The name 'Nobody' does not exist in the current context (3:3)")]
    [InlineData("using System.IO;   Path.Nothing()", 1, 25, "CS0117")]
    [InlineData("using System.IO;\nPath.Nothing()", 2, 6, "CS0117")]
    [InlineData("#r \"System.Data.Common\"\nNobody", 2, 1, "CS0103")]
    [InlineData("Variables.Missing", 1, 11, "'WorkflowVariables' does not contain a definition for 'Missing'")]
    [InlineData("Variables.Count = \"text\"", 1, 19, "CS0029: Cannot implicitly convert type 'string' to 'int' (1:19)")]
    [InlineData("Inputs.Word = 1", 1, 8, "CS1061")]
    public void Evaluate_ThatDoesNotCompile_SaysWhatAndWhere(string source, int line, int column, string message)
    {
        using var host = new ScriptHost(Count);

        for (var time = 0; time < 2; time++)
        {
            var e = Should.Throw<CSharpSyntaxException>(() => host.Evaluate<object>(source));
            e.Message.ShouldStartWith("The C# does not compile. ");
            e.Message.ShouldContain(message);
            (e.Line, e.Column).ShouldBe((line, column), e.Message);
        }

        host.Cache.Compilations.ShouldBe(1);
    }

    [Fact]
    public void Evaluate_WithManyErrors_NamesTheFirstFive()
    {
        using var host = new ScriptHost();

        var e = Should.Throw<CSharpSyntaxException>(() => host.Evaluate<object>(string.Join('\n', Enumerable.Range(1, 7).Select(n => $"No{n}();"))));

        e.Message.ShouldContain("'No5'");
        e.Message.ShouldNotContain("'No6'");
        e.Message.ShouldEndWith(" And 2 more.");
    }

    [Theory]
    [InlineData("throw new InvalidOperationException(\"no stock\");", "InvalidOperationException: no stock (1:1)")]
    [InlineData("var a = 1;\n\n   throw new FormatException(\"bad\");", "FormatException: bad (3:4)")]
    [InlineData("using System.IO;\nawait Task.Yield();\nthrow new FormatException(\"late\");", "FormatException: late (3:1)")]
    [InlineData("void Deep() { throw new FormatException(\"deep\"); }\nDeep();", "FormatException: deep (1:15)")]
    [InlineData("int.Parse(\"x\")", "FormatException: The input string 'x' was not in a correct format. (1:1)")]
    [InlineData("ExecutionContext.GetInput(\"x\").Name", "RuntimeBinderException: Cannot perform runtime binding on a null reference (1:1)")]
    [InlineData("Outcome.Set(\"A\")", "InvalidOperationException: An expression has no outcomes to set; only RunCSharp has.")]
    [InlineData("Task.CompletedTask", "InvalidOperationException: The value is a task: await it.")]
    [InlineData("(Func<int>)(() => 1)", "InvalidOperationException: The value is a function: call it.")]
    [InlineData("var a = new List<object>(); a.Add(a); a", "InvalidOperationException: A value is nested deeper than 64: does it hold itself?")]
    [InlineData("throw new OperationCanceledException(\"own\");", "OperationCanceledException: own (1:1)")]
    public void Evaluate_ThatThrows_SaysWhatAndWhere(string source, string message)
    {
        using var host = new ScriptHost();

        var e = Should.Throw<CSharpScriptException>(() => host.Evaluate<object>(source));

        // Where the compiler has put the script's frame and ours into one, there is no place to tell.
        e.Message.ShouldStartWith(message);
        e.InnerException.ShouldNotBeNull();
        (e.Line is null).ShouldBe(!message.EndsWith(')'));
    }

    [Fact]
    public async Task RunAsync_CancelledBetweenAwaits_EndsAndNeverGoesOn()
    {
        using var cancel = new CancellationTokenSource();
        using var host = new ScriptHost(Count, cancellationToken: cancel.Token);
        var gate = new TaskCompletionSource();
        var key = $"gate-{Guid.NewGuid():N}";
        AppDomain.CurrentDomain.SetData(key, gate.Task);

        var run = host.Evaluator.RunAsync(
            $"Variables.Count = 1; var gate = (Task)AppDomain.CurrentDomain.GetData(\"{key}\"); await gate; Variables.Count = 2;",
            typeof(object), host.Context);
        run.IsCompleted.ShouldBeFalse(run.Exception?.ToString());
        await cancel.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(run);
        gate.SetResult();
        host["Count"].ShouldBe(1);
    }

    [Fact]
    public void Evaluate_Cancelled_DoesNotBegin()
    {
        using var host = new ScriptHost(Count, cancellationToken: new CancellationToken(canceled: true));

        Should.Throw<OperationCanceledException>(() => host.Evaluate<object>("Variables.Count = 1"));

        host["Count"].ShouldBeNull();
    }

    [Theory]
    [InlineData("Variables.Set(\"Count\", 1)")]
    [InlineData("Variables.Get(\"Count\")")]
    [InlineData("Input.Get(\"Count\")")]
    [InlineData("CorrelationId = \"x\"")]
    [InlineData("WorkflowInstanceName = \"x\"")]
    public void Evaluate_InADurableTask_RefusesTheInstance(string source)
    {
        using var host = new ScriptHost(Count);
        host.Workflow.Detached = new();

        Should.Throw<CSharpScriptException>(() => host.Evaluate<object>(source)).Message.ShouldContain("away from its instance");
    }

    [Theory]
    [InlineData("1 + 1")]
    [InlineData("")]
    public void Evaluate_NotAllowed_SaysWhichOptionToSet(string source)
    {
        using var host = new ScriptHost(allow: false);

        var e = Should.Throw<NotSupportedException>(() => host.Evaluate<object>(source));

        e.Message.ShouldContain("WorkflowsOptions.AllowCSharp");
        e.Message.ShouldContain("AURA_ALLOW_CSHARP=true");
        host.Cache.Compilations.ShouldBe(0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ExpressionTypes_KnowCSharp_WhereItIsAllowed(bool allow)
    {
        using var host = new ScriptHost(allow: allow);
        var types = host.Workflow.GetRequiredService<ExpressionTypes>();

        types.IsKnown("CSharp").ShouldBe(allow);
        types.Descriptors.Any(d => d.Type == "CSharp" && d.Properties["MonacoLanguage"] == "csharp").ShouldBe(allow);
        (types.WhyOff("CSharp") is null).ShouldBe(allow);
        types.WhyOff("Cobol").ShouldBeNull();
    }
}
