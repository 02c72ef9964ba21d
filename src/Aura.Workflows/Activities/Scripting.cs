using System.Text.Json;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Activities;

/// <summary>Runs a script. Its value is the result; its outcomes are those it set with <c>setOutcome(s)</c>, or Done.</summary>
[Activity("Elsa", "Scripting", "Runs a script in JavaScript.", DisplayName = "Run JavaScript", Kind = ActivityKind.Task)]
public sealed class RunJavaScript : CodeActivity<object>
{
    [Input(
        Description = "The script to run; its value is the result.", AutoEvaluate = false, UIHint = InputUIHints.CodeEditor,
        Options = """{"editorHeight":1,"language":"javascript","singleLineMode":false}""")]
    public Input<string>? Script { get; set; }

    [Input(Description = "The outcomes that the script may set.", UIHint = InputUIHints.DynamicOutcomes, Options = new[] { "Done" })]
    public Input<ICollection<string>>? PossibleOutcomes { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var outcomes = new List<string>();
        var result = context.GetRequiredService<JavaScriptEvaluator>().Run(
            SourceOf(context), new ActivityScriptContext(context), context.CancellationToken, outcomes);
        context.Set(Result, result);
        if (outcomes.Count > 0)
            await context.CompleteActivityWithOutcomesAsync([.. outcomes]);
    }

    /// <summary>Studio stores the script as an expression of type JavaScript or Literal; both times the text is the script itself.</summary>
    private string SourceOf(ActivityExecutionContext context) =>
        Script?.Expression is { Type: "JavaScript" or "Literal", Value: { ValueKind: JsonValueKind.String } text }
            ? text.GetString()!
            : context.Get(Script) ?? "";
}
