using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Workflows;

/// <summary>A message as an instance receives it.</summary>
internal sealed record Message(long Id, MessageKind Kind, string? Target, JsonElement? Payload)
{
    /// <summary>Whether it is heard by an instance that has ended as faulted.</summary>
    public bool Revives => Kind is MessageKind.Retry or MessageKind.Alter;
}

/// <summary>What a durable task says when it is over. Exactly one of outcomes and exception is set.</summary>
internal sealed record TaskCompletion
{
    public IReadOnlyList<string>? Outcomes { get; init; }
    public bool IsDefault { get; init; }
    public IReadOnlyDictionary<string, JsonElement> Outputs { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyDictionary<string, JsonElement> JournalData { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyList<CompensationState> Compensations { get; init; } = [];
    public ExceptionState? Exception { get; init; }
    public int Attempt { get; init; }
}

/// <summary>A fault raised by the Fault activity, or carried over from a durable task.</summary>
public sealed class FaultException(string message, string code = "0", string category = "General", string type = "System") : Exception(message)
{
    public string Code { get; } = code;
    public string Category { get; } = category;
    public string FaultType { get; } = type;
}

/// <summary>A durable task failed for good; carries what the task's host recorded.</summary>
public sealed class TaskFaultedException(ExceptionState state) : Exception(state?.Message)
{
    public ExceptionState State { get; } = state!;

    public override string? StackTrace => State.StackTrace;
}

/// <summary>
/// Runs one burst: applies messages, then runs activities first in, first out, until all wait or are done.
/// Touches no database itself; what it decides stands in the context's outbox, which <paramref name="commit"/> takes
/// away where the commit strategy asks for it.
/// </summary>
/// <param name="commit">Makes the state so far durable. Null: nothing is committed before the end.</param>
internal sealed class BurstRunner(WorkflowExecutionContext workflow, Func<ValueTask>? commit = null)
{
    /// <summary>A burst that makes more steps than this is an endless loop without a wait: it faults.</summary>
    private const int MaxSteps = 1_000_000;

    private readonly CommitPoints _commits = workflow.Graph.Options.Commits ?? CommitPoints.None;
    private DateTimeOffset _committedAt = workflow.Now;
    private int _steps;

    public static Task RunAsync(WorkflowExecutionContext workflow, IReadOnlyList<Message> messages, Func<ValueTask>? commit = null) =>
        new BurstRunner(workflow, commit).RunAsync(messages);

    private async Task RunAsync(IReadOnlyList<Message> messages)
    {
        if (workflow.Status == WorkflowStatus.Running)
            workflow.SubStatus = WorkflowSubStatus.Executing;
        // What a faulted instance has kept is for after the retry that brings it back; a start asks for nothing that it has not done.
        foreach (var message in workflow.Status == WorkflowStatus.Running ? messages : [.. messages.OrderBy(m => !m.Revives)])
        {
            if (workflow is { SubStatus: WorkflowSubStatus.Faulted } && !message.Revives && message.Kind != MessageKind.Start)
                continue;
            if (message.Id != 0)
                workflow.Outbox.Consumed.Add(message.Id);
            await ApplyAsync(message);
            if (_commits.AtStart && workflow.Scheduled.Count > 0)
                await CommitAsync();
            await DrainAsync();
        }

        workflow.Settle();
    }

    private async ValueTask DrainAsync()
    {
        while (workflow.Status == WorkflowStatus.Running && workflow.Scheduled.Count > 0)
        {
            var node = workflow.Scheduled.Peek().Node;
            var commits = commit is null ? CommitPoints.None : node.Commits ?? _commits;
            if (commits.BeforeActivity)
                await CommitAsync();
            await RunItemAsync(workflow.Dequeue());
            if (commits.AfterActivity && workflow.Status == WorkflowStatus.Running)
                await CommitAsync();
            else if (commits.Period is { } period && workflow.Now - _committedAt >= period)
                await CommitAsync();
        }
    }

    private async ValueTask CommitAsync()
    {
        if (commit is null)
            return;
        await commit();
        workflow.Outbox.Clear();
        _committedAt = workflow.Now;
    }

    private ValueTask ApplyAsync(Message message)
    {
        workflow.Tick();
        if (workflow.Status == WorkflowStatus.Finished && !message.Revives)
            return default;
        switch (message.Kind)
        {
            case MessageKind.Start when workflow.Root is null && workflow.Scheduled.Count == 0:
                workflow.Enqueue(new(workflow.Graph.Root, null, null, null, default));
                return default;
            case MessageKind.Cancel:
                return workflow.CancelWorkflowAsync(message.Payload?.Text("by"));
            case MessageKind.Resume or MessageKind.Stimulus:
                return ResumeAllAsync(message);
            case MessageKind.Task when workflow.FindContext(message.Target ?? "") is { HasTask: true } context:
                return ApplyTaskAsync(context, message.Payload!.Value);
            case MessageKind.Retry:
                return workflow.RetryAsync(RetryRequest.Read(message.Payload));
            case MessageKind.Alter when message.Payload is { } payload:
                return Alterations.ApplyAsync(workflow, payload);
            default:
                return default;
        }
    }

    private async ValueTask ResumeAllAsync(Message message)
    {
        var matching = workflow.Bookmarks.Where(b => message.Kind == MessageKind.Resume ? b.Id == message.Target : b.Hash == message.Target);
        foreach (var bookmark in matching.ToList())
        {
            if (workflow.Status == WorkflowStatus.Running && workflow.FindContext(bookmark.ActivityInstanceId) is { } context)
                await ResumeAsync(context, bookmark, message.Payload);
        }
    }

    private async ValueTask ResumeAsync(ActivityExecutionContext context, Bookmark bookmark, JsonElement? payload)
    {
        try
        {
            context.ResumeInput = payload is { ValueKind: JsonValueKind.Object } input ? (Dictionary<string, object?>)WorkflowJson.ToPlain(input)! : null;
            workflow.Log(context, "Resumed");
            if (bookmark.AutoBurn)
                workflow.Burn(bookmark);
            if (bookmark.CallbackMethodName is { } method)
                await context.Node.Descriptor.Bind<ExecuteActivityDelegate>(context.Activity, method)(context);
            else if (bookmark.AutoComplete)
                await context.CompleteActivityAsync();
        }
        catch (Exception e) when (workflow.IsFault(e))
        {
            workflow.Fault(context, e);
        }
    }

    private async ValueTask ApplyTaskAsync(ActivityExecutionContext context, JsonElement payload)
    {
        try
        {
            var completion = payload.Deserialize<TaskCompletion>(WorkflowJson.Options)!;
            context.HasTask = false;
            workflow.Log(context, "Resumed");
            foreach (var (name, value) in completion.JournalData)
                context.JournalData[name] = WorkflowJson.ToPlain(value);
            if (completion.Exception is { } exception)
                throw new TaskFaultedException(exception);
            foreach (var (name, value) in completion.Outputs)
            {
                if (context.Node.Descriptor.OutputOf(context.Activity, name) is { } output)
                    context.Set(output, WorkflowJson.ToPlain(value));
            }

            workflow.AddCompensations(completion.Compensations);
            await workflow.CompleteAsync(context, completion.IsDefault ? Outcomes.Default : new([.. completion.Outcomes ?? []]));
        }
        catch (Exception e) when (workflow.IsFault(e))
        {
            workflow.Fault(context, e);
        }
    }

    private async ValueTask RunItemAsync(WorkItem item)
    {
        workflow.Tick();
        // What a faulted container has queued goes on beside it; it hears of it at its retry.
        if (item.Owner is { Status: not (ActivityStatus.Running or ActivityStatus.Faulted) })
            return;
        var context = item.Existing ?? workflow.CreateContext(item);
        if (++_steps > MaxSteps)
        {
            workflow.Fault(context, new InvalidOperationException($"The workflow made more than {MaxSteps} steps without waiting."));
            return;
        }

        try
        {
            if (context.Status == ActivityStatus.Completed)
            {
                item.Owner!.RemoveChild(context);
                await workflow.TellOwnerAsync(context);
                return;
            }

            foreach (var input in item.Node.Inputs)
            {
                if (!input.IsSensitive || item.Node.RunsAsTask)
                    context.ActivityState[input.Name] = input.Evaluate(context);
            }

            if (!await item.Node.Activity.CanExecuteAsync(context))
            {
                workflow.Log(context, "Precondition Failed");
                return;
            }

            context.Status = ActivityStatus.Running;
            workflow.Log(context, "Started");
            if (item.Node.RunsAsTask)
            {
                context.HasTask = true;
                workflow.Outbox.Tasks.Add(TaskOf(context));
                // The task's row needs them until it is answered; neither the history nor the state does.
                foreach (var input in item.Node.Inputs.Where(i => i.IsSensitive))
                    context.ActivityState.Remove(input.Name);
                workflow.Log(context, "Suspended");
                return;
            }

            await item.Node.Activity.ExecuteAsync(context);
            if (context.Status == ActivityStatus.Running && context.BookmarksCreated > 0)
                workflow.Log(context, "Suspended");
        }
        catch (Exception e) when (workflow.IsFault(e))
        {
            workflow.Fault(context, e);
        }
    }

    private NewTask TaskOf(ActivityExecutionContext context)
    {
        var queue = context.StoredActivityState?.GetValueOrDefault("Queue") is string { Length: > 0 } name ? name : "default";
        return new(
            workflow.Id, context.Id, context.NodeId, context.Activity.Type, queue,
            JsonSerializer.SerializeToElement(context.ActivityState, WorkflowJson.Options), TaskPolicy.Of(context.Activity));
    }
}

/// <summary>
/// The engine's own database was out of reach in the middle of a burst. No fault of the instance: it goes on from its last commit.
/// </summary>
internal sealed class BurstInterruptedException(string message, Exception inner) : Exception(message, inner);

/// <summary>A checkpoint in the middle of a burst was not committed; the burst is dropped.</summary>
internal sealed class CommitFailedException(string message, Exception? inner = null) : Exception(message, inner);
