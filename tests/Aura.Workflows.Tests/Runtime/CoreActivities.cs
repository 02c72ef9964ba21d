using System.Globalization;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>Fails inside the burst as often as asked, on this host.</summary>
[Activity("Test")]
public sealed class Flaky : CodeActivity<string>
{
    public Input<int>? Failures { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var probe = context.GetRequiredService<Probe>();
        probe.Seen.Enqueue(context.Activity.Id);
        if (Interlocked.Increment(ref probe.Failures) <= context.Get(Failures))
            throw new InvalidOperationException($"no luck {probe.Failures}");
        context.SetResult("luck");
    }
}

/// <summary>Waits for the test in the middle of a burst.</summary>
[Activity("Test")]
public sealed class Gate : CodeActivity
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var probe = context.GetRequiredService<Probe>();
        probe.Seen.Enqueue("gate");
        await probe.Gate.Task.WaitAsync(context.CancellationToken);
    }
}

/// <summary>Runs a body; its completion callback fails as often as asked, then it completes.</summary>
[Activity("Test")]
public sealed class Picky : Activity
{
    public Input<int>? Failures { get; set; }

    public IActivity? Body { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Body, OnBodyCompletedAsync);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context)
    {
        var probe = context.TargetContext.GetRequiredService<Probe>();
        probe.Seen.Enqueue($"callback:{string.Join(',', ((Outcomes)context.Result!).Names)}");
        if (Interlocked.Increment(ref probe.Failures) <= context.TargetContext.Get(Failures))
            throw new InvalidOperationException("the callback failed");
        return context.TargetContext.CompleteActivityAsync();
    }
}

/// <summary>Runs its body three times and counts in the journal.</summary>
[Activity("Test")]
public sealed class Rounds : Activity
{
    public IActivity? Body { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.ScheduleActivityAsync(Body, OnBodyCompletedAsync);

    private ValueTask OnBodyCompletedAsync(ActivityCompletedContext context)
    {
        var target = context.TargetContext;
        var rounds = target.JournalData.TryGetValue("Rounds", out var so) ? Convert.ToInt32(so, System.Globalization.CultureInfo.InvariantCulture) + 1 : 1;
        target.JournalData["Rounds"] = rounds;
        return rounds < 3 ? target.ScheduleActivityAsync(Body, OnBodyCompletedAsync) : target.CompleteActivityAsync();
    }
}

/// <summary>Completes with an outcome of its choice.</summary>
[Activity("Test")]
public sealed class Choose : Activity
{
    public Input<string>? Outcome { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => context.CompleteActivityWithOutcomesAsync(context.Get(Outcome) ?? "");
}

/// <summary>Schedules its body with a callback that has no name.</summary>
[Activity("Test")]
public sealed class Nameless : Activity
{
    public IActivity? Body { get; set; }

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        context.ScheduleActivityAsync(Body, completed => completed.TargetContext.CompleteActivityAsync());
}

/// <summary>Neither completes nor waits for anything.</summary>
[Activity("Test")]
public sealed class Idle : Activity;

/// <summary>Waits for a stimulus of its name; what it waits for is written down with more than it is matched by.</summary>
[Activity("Test")]
public sealed class PlacedOrder : Activity
{
    public Input<string>? Customer { get; set; }

    public Input<string>? City { get; set; }

    protected override void Execute(ActivityExecutionContext context) => context.CreateBookmark(new CreateBookmarkArgs
    {
        BookmarkName = "Test.PlacedOrder",
        Stimulus = new { Customer = context.Get(Customer) },
        Payload = new { Customer = context.Get(Customer), City = context.Get(City) },
    });
}

/// <summary>Can be undone; says so to the probe with the data that it was given.</summary>
[Activity("Test")]
public sealed class Undoable : CodeActivity
{
    public Input<string>? Data { get; set; }

    public Input<bool>? Fails { get; set; }

    protected override void Execute(ActivityExecutionContext context) =>
        context.OnCancelled(UndoAsync, new { Text = context.Get(Data), Fails = context.Get(Fails) });

    internal static ValueTask UndoAsync(ActivityExecutionContext context, string text, bool fails)
    {
        context.GetRequiredService<Probe>().Seen.Enqueue("undo " + text);
        return fails ? throw new InvalidOperationException("cannot undo " + text) : default;
    }

    private ValueTask UndoAsync(ActivityExecutionContext context)
    {
        var data = (IReadOnlyDictionary<string, object?>)context.WorkflowInput["Compensation"]!;
        return UndoAsync(context, (string)data["text"]!, (bool)data["fails"]!);
    }
}

/// <summary>The same as a durable task.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class UndoableWork : CodeActivity
{
    public Input<string>? Data { get; set; }

    protected override void Execute(ActivityExecutionContext context) => context.OnCancelled(OnUndoAsync, context.Get(Data));

    private ValueTask OnUndoAsync(ActivityExecutionContext context) =>
        Undoable.UndoAsync(context, (string)context.WorkflowInput["Compensation"]!, false);
}

/// <summary>A durable task that throws an exception of a type.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Throw : CodeActivity
{
    protected override void Execute(ActivityExecutionContext context)
    {
        context.GetRequiredService<Probe>().Seen.Enqueue("threw");
        throw new ArgumentNullException(nameof(context));
    }
}

/// <summary>A durable task that ends only when it is told to stop.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Listen : CodeActivity
{
    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var probe = context.GetRequiredService<Probe>();
        probe.Seen.Enqueue("listening");
        try
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }
        finally
        {
            probe.Seen.Enqueue("stopped");
        }
    }
}

/// <summary>A durable task that works for a time, with a heartbeat now and then if asked.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Toil : CodeActivity
{
    public Input<double>? Seconds { get; set; }

    public Input<bool>? Beats { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var probe = context.GetRequiredService<Probe>();
        var task = context.GetRequiredService<DurableTask>();
        probe.Seen.Enqueue(task.Attempt.ToString(CultureInfo.InvariantCulture));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (watch.Elapsed.TotalSeconds < context.Get(Seconds))
        {
            if (context.Get(Beats))
                task.Heartbeat();
            await Task.Delay(20, context.CancellationToken);
        }
    }
}

/// <summary>A durable task that shows in a table how many of its kind run at once.</summary>
[Activity("Test", Kind = ActivityKind.Job)]
public sealed class Gauge : CodeActivity
{
    public const string TableSql = "CREATE TABLE IF NOT EXISTS gauges (name text PRIMARY KEY, now int NOT NULL, most int NOT NULL, done int NOT NULL)";

    public Input<string>? Name_ { get; set; }

    public Input<string>? Queue { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        await ExecuteAsync(context, """
            INSERT INTO gauges VALUES ($1, 1, 1, 0) ON CONFLICT (name) DO UPDATE SET now = gauges.now + 1, most = greatest(gauges.most, gauges.now + 1)
            """);
        context.GetRequiredService<Probe>().Seen.Enqueue(context.WorkflowExecutionContext.CorrelationId ?? "");
        await Task.Delay(15, context.CancellationToken);
        await ExecuteAsync(context, "UPDATE gauges SET now = now - 1, done = done + 1 WHERE name = $1");
    }

    private async Task ExecuteAsync(ActivityExecutionContext context, string sql)
    {
        await using var command = context.GetRequiredService<NpgsqlDataSource>().CreateCommand(sql);
        command.Parameters.Add(new() { Value = context.Get(Name_) ?? "" });
        await command.ExecuteNonQueryAsync();
    }
}

/// <summary>Wants something in the commit that cannot be sent to a database at all.</summary>
[Activity("Test")]
public sealed class Unsendable : CodeActivity
{
    protected override void Execute(ActivityExecutionContext context) =>
        context.GetRequiredService<UnitOfWork>().Add(new NpgsqlBatchCommand("SELECT $1") { Parameters = { new() { Value = new Version(1, 2) } } });
}

/// <summary>Runs its activities side by side; its completion callback fails as often as asked.</summary>
[Activity("Test")]
public sealed class Fan : Activity
{
    public Input<int>? Failures { get; set; }

    public ICollection<IActivity> Activities { get; set; } = new List<IActivity>();

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        foreach (var activity in Activities)
            await context.ScheduleActivityAsync(activity, OnChildCompletedAsync);
    }

    private ValueTask OnChildCompletedAsync(ActivityCompletedContext completed)
    {
        var context = completed.TargetContext;
        var probe = context.GetRequiredService<Probe>();
        probe.Seen.Enqueue(completed.ChildContext.Activity.Id);
        if (Interlocked.Increment(ref probe.Failures) <= context.Get(Failures))
            throw new InvalidOperationException("the callback failed");
        context.SetProperty("Done", context.GetProperty<int>("Done") + 1);
        return context.GetProperty<int>("Done") == Activities.Count ? context.CompleteActivityAsync() : default;
    }
}
