using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Workflows.Tests;

/// <summary>A durable task that records its runs and, on request, fails first.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Work : CodeActivity<string>
{
    public Input<string>? Label { get; set; }

    /// <summary>How often it fails before it succeeds.</summary>
    public Input<int>? Failures { get; set; }

    public Input<bool>? WaitForGate { get; set; }

    public Input<string>? Queue { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var probe = context.GetRequiredService<Probe>();
        probe.Seen.Enqueue($"{context.Get(Label)}:{context.GetRequiredService<DurableTask>().Attempt}");
        if (Interlocked.Increment(ref probe.Failures) <= context.Get(Failures))
            throw new InvalidOperationException("not yet");
        if (context.Get(WaitForGate))
            await probe.Gate.Task.WaitAsync(context.CancellationToken);
        context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand("INSERT INTO effects (label) VALUES ($1)")
        {
            Parameters = { new() { Value = context.Get(Label) ?? "" } },
        });
        context.SetResult($"did {context.Get(Label)}");
        await context.CompleteActivityWithOutcomesAsync("Good");
    }
}

/// <summary>Writes an effect from inside the burst.</summary>
[Activity("Test")]
public sealed class Effect : CodeActivity
{
    public Input<string>? Statement { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand(context.Get(Statement) ?? ""));
}

/// <summary>Waits for a stimulus of a name and gives its input on.</summary>
[Activity("Test")]
public sealed class Block : CodeActivity<object>
{
    public Input<string>? Label { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = "Test.Block", Stimulus = new { Label = context.Get(Label) }, Callback = OnResumedAsync });

    private ValueTask OnResumedAsync(ActivityExecutionContext context)
    {
        context.SetResult(context.WorkflowInput.GetValueOrDefault("Answer"));
        return context.CompleteActivityAsync();
    }
}

/// <summary>Puts out and records something, waits, and records more.</summary>
[Activity("Test")]
public sealed class Remember : Activity
{
    public Input<string>? Label { get; set; }

    [Input(IsSensitive = true)]
    public Input<string>? Secret { get; set; }

    public Output<string>? Early { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        context.Get(Secret).ShouldBe("hush");
        context.JournalData["Before"] = 1;
        context.Set(Early ?? new Output<string> { Name = "Early" }, "early");
        context.CreateBookmark(new CreateBookmarkArgs { BookmarkName = "Test.Remember", Stimulus = new { Label = context.Get(Label) }, Callback = OnResumedAsync });
    }

    private ValueTask OnResumedAsync(ActivityExecutionContext context)
    {
        context.JournalData["After"] = 2;
        return context.CompleteActivityAsync();
    }
}
