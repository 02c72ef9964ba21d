using Aura.Workflows;

namespace Aura.Bench;

/// <summary>Does nothing: what is measured is the engine around it.</summary>
[Activity("Bench")]
public sealed class NoOp : CodeActivity;

/// <summary>Waits for a stimulus of its own number.</summary>
[Activity("Bench")]
public sealed class WaitForNumber : Activity
{
    public const string StimulusName = "Bench.Number";

    [Input]
    public Input<long>? Number { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = StimulusName, Stimulus = new { Number = context.GetWorkflowInput<long>("Number") } });
}

/// <summary>A durable task that does nothing.</summary>
[Activity("Bench", Kind = ActivityKind.Job)]
public sealed class NoOpTask : CodeActivity
{
    [Input]
    public Input<string>? Queue { get; set; }
}

/// <summary>The definitions that the workloads run.</summary>
internal static class BenchDefinitions
{
    public const int Steps = 7;

    /// <param name="commits">The commit strategy of each step; null: the burst commits at its end.</param>
    public static string Sequence(string id, string activity, string? commits = null) => $$"""
        {"definitionId":"{{id}}","name":"{{id}}","isPublished":true,
         "root":{"type":"Elsa.Sequence","id":"seq","activities":[{{string.Join(',', Enumerable.Range(1, Steps).Select(i => $$"""
            {"type":"{{activity}}","id":"s{{i}}","customProperties":{"commitStrategyName":"{{commits}}"} }
            """))}}]} }
        """;

    public static string Single(string id, string activity) =>
        $$"""{"definitionId":"{{id}}","name":"{{id}}","isPublished":true,"root":{"type":"{{activity}}","id":"a"} }""";
}
