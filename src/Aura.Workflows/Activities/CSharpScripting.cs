using System.Text.Json;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Activities;

/// <summary>
/// Runs C#, where the host allows it. Its value is the result; its outcomes are those it set with <c>Outcome.Set</c>, or Done.
/// The script has the power of the host's process: for trusted authors only.
/// </summary>
[Activity("Elsa", "Scripting", "Runs a script in C#, where the host allows it.", DisplayName = "Run C#", Kind = ActivityKind.Task)]
public sealed class RunCSharp : CodeActivity<object>
{
    [Input(
        Description = "The script to run; its value is the result.", AutoEvaluate = false, UIHint = InputUIHints.CodeEditor,
        Options = """{"editorHeight":1,"language":"csharp","singleLineMode":false}""")]
    public Input<string>? Script { get; set; }

    [Input(Description = "The outcomes that the script may set.", UIHint = InputUIHints.DynamicOutcomes, Options = new[] { "Done" })]
    public Input<ICollection<string>>? PossibleOutcomes { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var outcomes = new List<string>();
        context.Set(Result, await context.GetRequiredService<CSharpEvaluator>().RunAsync(SourceOf(context), typeof(object), context, outcomes));
        if (outcomes.Count > 0)
            await context.CompleteActivityWithOutcomesAsync([.. outcomes]);
    }

    /// <summary>Studio stores the script as an expression of type CSharp or Literal; both times the text is the script itself.</summary>
    private string SourceOf(ActivityExecutionContext context) =>
        Script?.Expression is { Type: CSharpEvaluator.ExpressionType or "Literal", Value: { ValueKind: JsonValueKind.String } text }
            ? text.GetString()!
            : context.Get(Script) ?? "";
}
