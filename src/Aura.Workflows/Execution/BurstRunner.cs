using System.Text.Json;
using Aura.Workflows.Expressions;

namespace Aura.Workflows;

/// <summary>A message as an instance receives it.</summary>
internal sealed record Message(long Id, MessageKind Kind, string? Target, JsonElement? Payload);

/// <summary>What a durable task says when it is over. Exactly one of outcomes and exception is set.</summary>
internal sealed record TaskCompletion
{
    public IReadOnlyList<string>? Outcomes { get; init; }
    public bool IsDefault { get; init; }
    public IReadOnlyDictionary<string, JsonElement> Outputs { get; init; } = new Dictionary<string, JsonElement>();
    public IReadOnlyDictionary<string, JsonElement> JournalData { get; init; } = new Dictionary<string, JsonElement>();
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

/// <summary>
/// Runs one burst: applies messages, then runs activities first in, first out, until all wait or are done.
/// Touches no database; what it decides stands in the context's outbox.
/// </summary>
internal static class BurstRunner
{
    /// <summary>A burst that makes more steps than this is an endless loop without a wait: it faults.</summary>
    private const int MaxSteps = 100_000;

    public static async Task RunAsync(WorkflowExecutionContext workflow, IReadOnlyList<Message> messages, TimeProvider time)
    {
        workflow.Begin();
        var steps = 0;
        foreach (var message in messages)
        {
            if (workflow.Status == WorkflowStatus.Finished)
                break;
            await ApplyAsync(workflow, message, time);
            while (workflow.Status == WorkflowStatus.Running && workflow.Scheduled.TryDequeue(out var item))
            {
                if (++steps > MaxSteps)
                {
                    workflow.Fault(item.Owner, new InvalidOperationException($"The workflow made more than {MaxSteps} steps without waiting."), time.GetUtcNow());
                    break;
                }

                await RunItemAsync(workflow, item, time);
            }
        }

        workflow.Settle(time.GetUtcNow());
    }

    private static async Task ApplyAsync(WorkflowExecutionContext workflow, Message message, TimeProvider time)
    {
        switch (message.Kind)
        {
            case MessageKind.Start when workflow.Contexts.Count == 0:
                workflow.Scheduled.Enqueue(new(workflow.Graph.Root, null, null, []));
                break;
            case MessageKind.Cancel:
                await workflow.CancelWorkflowAsync();
                break;
            case MessageKind.Resume or MessageKind.Stimulus:
                var matching = workflow.Bookmarks.Where(b => message.Kind == MessageKind.Resume ? b.Id == message.Target : b.Hash == message.Target);
                foreach (var bookmark in matching.ToList())
                    await ResumeAsync(workflow, bookmark, message.Payload, time);
                break;
            case MessageKind.Task when workflow.FindContext(message.Target ?? "") is { HasTask: true } context:
                await GuardAsync(context, time, () => ApplyTaskAsync(context, message.Payload!.Value));
                break;
        }
    }

    private static async Task ResumeAsync(WorkflowExecutionContext workflow, Bookmark bookmark, JsonElement? payload, TimeProvider time)
    {
        if (workflow.FindContext(bookmark.ActivityInstanceId) is not { } context || workflow.Status != WorkflowStatus.Running)
            return;
        await GuardAsync(context, time, async () =>
        {
            context.ResumeInput = payload is { ValueKind: JsonValueKind.Object } input ? (Dictionary<string, object?>)WorkflowJson.ToPlain(input)! : null;
            workflow.Log(context, "Resumed");
            if (bookmark.AutoBurn)
                workflow.Burn(bookmark);
            if (bookmark.CallbackMethodName is { } method)
                await WorkflowExecutionContext.Invoke<ExecuteActivityDelegate>(context.Activity, method)(context);
            else if (bookmark.AutoComplete)
                await context.CompleteActivityAsync();
        });
    }

    private static async ValueTask ApplyTaskAsync(ActivityExecutionContext context, JsonElement payload)
    {
        var completion = payload.Deserialize<TaskCompletion>(WorkflowJson.Options)!;
        context.HasTask = false;
        context.WorkflowExecutionContext.Log(context, "Resumed");
        foreach (var (name, value) in completion.JournalData)
            context.JournalData[name] = WorkflowJson.ToPlain(value);
        if (completion.Exception is { } exception)
        {
            context.Exception = exception;
            throw new TaskFaultedException(exception);
        }

        foreach (var (name, value) in completion.Outputs)
        {
            if (context.Node.Descriptor.OutputOf(context.Activity, name) is { } output)
                context.Set(output, WorkflowJson.ToPlain(value));
            else
                context.Outputs[name] = WorkflowJson.ToPlain(value);
        }

        var outcomes = completion.IsDefault ? Outcomes.Default : new Outcomes([.. completion.Outcomes ?? []]);
        await context.CompleteActivityAsync(outcomes);
    }

    private static async Task RunItemAsync(WorkflowExecutionContext workflow, WorkItem item, TimeProvider time)
    {
        var context = workflow.CreateContext(item.Node, item.Owner);
        context.Tag = item.Tag;
        foreach (var variable in item.Variables)
            context.Slots[variable.Id] = variable;
        await GuardAsync(context, time, () => ExecuteAsync(context));
    }

    private static async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var workflow = context.WorkflowExecutionContext;
        EvaluateInputs(context);
        if (!await context.Activity.CanExecuteAsync(context))
        {
            workflow.Log(context, "Precondition Failed");
            return;
        }

        context.Status = ActivityStatus.Running;
        workflow.Log(context, "Started");
        if (context.Node.Descriptor.RunsAsTask(context.Activity))
        {
            context.HasTask = true;
            workflow.Outbox.Tasks.Add(TaskOf(context));
            workflow.Log(context, "Suspended");
            return;
        }

        await context.Activity.ExecuteAsync(context);
        if (context.Status == ActivityStatus.Running && context.BookmarksCreated > 0)
            workflow.Log(context, "Suspended");
    }

    internal static void EvaluateInputs(ActivityExecutionContext context)
    {
        foreach (var input in context.Node.Descriptor.Inputs.Where(i => i.IsWrapped && i.AutoEvaluate))
        {
            if (input.Read(context.Activity) is Input wrapped)
                context.ActivityState[input.Name] = context.Evaluate(wrapped) ?? input.DefaultValue;
            else if (input.DefaultValue is not null)
                context.ActivityState[input.Name] = input.DefaultValue;
        }
    }

    private static NewTask TaskOf(ActivityExecutionContext context)
    {
        var queue = context.ActivityState.TryGetValue("Queue", out var named) && named is string { Length: > 0 } name ? name : "default";
        var policy = TaskPolicy.Of(context.Activity);
        return new(
            context.Id, context.NodeId, context.Activity.Type, queue,
            JsonSerializer.SerializeToElement(context.ActivityState, WorkflowJson.Options), policy.MaxAttempts, policy.Timeout);
    }

    /// <summary>Whatever an activity throws becomes an incident of its instance, never a crash of the host.</summary>
    private static async Task GuardAsync(ActivityExecutionContext context, TimeProvider time, Func<ValueTask> body)
    {
        try
        {
            await body();
        }
        catch (OperationCanceledException) when (context.CancellationToken.IsCancellationRequested)
        {
            // The host stops: the burst is dropped and starts again from its last commit.
            throw;
        }
        catch (Exception e)
        {
            context.WorkflowExecutionContext.Fault(context, e, time.GetUtcNow());
        }
    }
}

/// <summary>How often and how long a durable task may try: <c>customProperties.task {maxAttempts, timeoutSeconds}</c>.</summary>
internal sealed record TaskPolicy(int MaxAttempts, TimeSpan Timeout)
{
    public static TaskPolicy Of(IActivity activity)
    {
        var attempts = 5;
        var timeout = TimeSpan.FromHours(1);
        if (activity.CustomProperties.TryGetValue("task", out var task) && task.ValueKind == JsonValueKind.Object)
        {
            if (task.TryGetProperty("maxAttempts", out var max) && max.TryGetInt32(out var value) && value > 0)
                attempts = value;
            if (task.TryGetProperty("timeoutSeconds", out var seconds) && seconds.TryGetDouble(out var limit) && limit > 0)
                timeout = TimeSpan.FromSeconds(limit);
        }

        return new(attempts, timeout);
    }
}

/// <summary>A durable task failed for good; carries what the task's host recorded.</summary>
public sealed class TaskFaultedException(ExceptionState state) : Exception(state?.Message)
{
    public ExceptionState State { get; } = state!;

    public override string? StackTrace => State.StackTrace;
}
