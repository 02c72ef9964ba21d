using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows.Runtime;

/// <summary>What became of one activity that was tried out.</summary>
public sealed record ActivityTestResult
{
    /// <summary>The evaluated inputs, without secrets.</summary>
    public IReadOnlyDictionary<string, object?> ActivityState { get; init; } = new Dictionary<string, object?>();

    /// <summary>
    /// What it noted, its <c>Outcomes</c> when it completed, <c>WaitsFor</c> (names of bookmarks) when it waits, and
    /// <c>Scheduled</c> (ids of the activities that it would have run) when it holds others.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Payload { get; init; } = new Dictionary<string, object?>();

    public IReadOnlyDictionary<string, object?> Outputs { get; init; } = new Dictionary<string, object?>();
    public ExceptionState? Exception { get; init; }
    public required ActivityStatus Status { get; init; }
}

/// <summary>
/// Runs one activity of a stored definition in memory. No instance exists: what it would commit (children, messages, bookmarks,
/// statements of its unit of work) is dropped. What its own code does to the outside, such as sending a request, it does.
/// </summary>
public sealed class ActivityTester(DefinitionStore definitions, IServiceScopeFactory scopes, TimeProvider time)
{
    /// <summary>An activity that takes longer is given up.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <param name="activity">A node id, or an id that only one activity has.</param>
    /// <returns>A fault of the activity is a result too, and so is an activity that the stored version does not hold.</returns>
    /// <exception cref="Definitions.InvalidDefinitionException">There is no such version, or it cannot be built.</exception>
    public async Task<ActivityTestResult> RunAsync(string versionId, string activity, TimeSpan? limit = null, CancellationToken cancellationToken = default)
    {
        var graph = await definitions.GraphAsync(versionId, cancellationToken);
        if (graph.FindById(activity) is not { } node)
        {
            return Fault(new InvalidOperationException(
                $"The stored workflow has no activity '{activity}', or several of that id. Save the workflow and try again."));
        }

        var allowed = limit ?? Limit;
        var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var run = Task.Run(() => RunAsync(graph, node, stop.Token), CancellationToken.None);
        try
        {
            return await run.WaitAsync(allowed, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // One that does not look at its token goes on unseen; nobody waits for it.
            await stop.CancelAsync();
            return Fault(new TimeoutException($"The activity took longer than {allowed.TotalSeconds:0} s and was given up."));
        }
        finally
        {
            // Nobody but the run itself may still look at it.
            _ = run.ContinueWith(_ => stop.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task<ActivityTestResult> RunAsync(WorkflowGraph graph, ActivityNode node, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        var workflow = new WorkflowExecutionContext(
            "test-" + WorkflowExecutionContext.NewRowId(time), graph, null, scope.ServiceProvider, cancellationToken, time);
        ActivityExecutionContext? context = null;
        Exception? failure = null;
        try
        {
            context = workflow.CreateContextOf(node);
            foreach (var input in node.Inputs)
                context.ActivityState[input.Name] = input.Evaluate(context);
            await ExecuteAsync(workflow, context, scope.ServiceProvider);
        }
        // The edge of a test: whatever the activity throws is its result.
        catch (Exception e)
        {
            failure = e;
        }

        return ResultOf(workflow, node, context, failure);
    }

    private static async Task ExecuteAsync(WorkflowExecutionContext workflow, ActivityExecutionContext context, IServiceProvider services)
    {
        if (!await context.Activity.CanExecuteAsync(context))
        {
            context.Status = ActivityStatus.Pending;
            return;
        }

        if (context.Node.RunsAsTask)
        {
            // What a worker would do with the task, done here and once.
            workflow.Detached = new();
            services.GetRequiredService<CurrentTask>().Value = new(0, workflow.Id, context.Id, 1, 1);
        }

        await context.Activity.ExecuteAsync(context);
        if (context.Status == ActivityStatus.Completed)
            context.Outcomes ??= workflow.Detached?.Outcomes;
    }

    private static ActivityTestResult ResultOf(WorkflowExecutionContext workflow, ActivityNode node, ActivityExecutionContext? context, Exception? failure)
    {
        if (context is null)
            return Fault(failure!);
        var secrets = node.Inputs.Where(i => i.IsSensitive).Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        var payload = new Dictionary<string, object?>(context.StoredJournalData ?? new Dictionary<string, object?>(), StringComparer.Ordinal);
        var status = failure is null ? context.Status : ActivityStatus.Faulted;
        if (status == ActivityStatus.Completed)
            payload["Outcomes"] = (context.Outcomes ?? Outcomes.Default).Names;
        if (workflow.Bookmarks.Where(b => b.ActivityInstanceId == context.Id).Select(b => b.Name).Distinct().ToList() is { Count: > 0 } waits)
            payload["WaitsFor"] = waits;
        if (workflow.Scheduled.Where(w => w.Owner == context).Select(w => w.Node.Activity.Id).ToList() is { Count: > 0 } scheduled)
            payload["Scheduled"] = scheduled;
        return new()
        {
            ActivityState = (context.StoredActivityState ?? new Dictionary<string, object?>())
                .Where(s => !secrets.Contains(s.Key)).ToDictionary(s => s.Key, s => s.Value, StringComparer.Ordinal),
            Payload = payload,
            Outputs = context.StoredOutputs ?? new Dictionary<string, object?>(),
            Exception = ExceptionState.From(failure),
            Status = status,
        };
    }

    private static ActivityTestResult Fault(Exception exception) => new() { Status = ActivityStatus.Faulted, Exception = ExceptionState.From(exception) };
}
