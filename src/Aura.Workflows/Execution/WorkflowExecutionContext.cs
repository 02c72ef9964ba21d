using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;
using Aura.Workflows.Expressions.CSharp;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows;

/// <summary>An activity that is due to run, for the first time or again in an existing context.</summary>
internal readonly record struct WorkItem(
    ActivityNode Node, ActivityExecutionContext? Owner, string? Tag, IReadOnlyList<VariableSlot>? Variables, Callback Completed,
    ActivityExecutionContext? Existing = null);

/// <summary>What undoes a completed activity when its instance is cancelled.</summary>
internal sealed record Compensation(string NodeId, string MethodName, object? Data);

/// <summary>
/// One instance in memory for the length of a burst: its contexts, its queue and what it wants to commit.
/// Never used by two threads at once.
/// </summary>
public sealed class WorkflowExecutionContext
{
    private readonly List<Bookmark> _bookmarks = [];
    private readonly List<Incident> _incidents = [];
    private readonly List<Compensation> _compensations = [];
    private readonly TimeProvider _time;

    internal WorkflowExecutionContext(
        string id, WorkflowGraph graph, string? correlationId, IServiceProvider services, CancellationToken cancellationToken, TimeProvider? time = null)
    {
        Id = id;
        Graph = graph;
        CorrelationId = correlationId;
        ServiceProvider = services;
        CancellationToken = cancellationToken;
        _time = time ?? services.GetRequiredService<TimeProvider>();
        Now = _time.GetUtcNow();
    }

    public string Id { get; }
    public string? CorrelationId { get; set; }
    public string? Name { get; set; }
    public WorkflowStatus Status { get; internal set; }
    public WorkflowSubStatus SubStatus { get; internal set; }
    public IServiceProvider ServiceProvider { get; }
    public CancellationToken CancellationToken { get; }
    public IReadOnlyDictionary<string, object?> Input { get; internal set; } = new Dictionary<string, object?>();
    public IDictionary<string, object?> Output { get; internal set; } = new Dictionary<string, object?>(StringComparer.Ordinal);
    public IReadOnlyList<Bookmark> Bookmarks => _bookmarks;
    public IReadOnlyList<Incident> Incidents => _incidents;

    internal WorkflowGraph Graph { get; }
    internal string? TriggerActivityId { get; set; }
    internal ActivityExecutionContext? Root { get; private set; }
    internal Queue<WorkItem> Scheduled { get; private set; } = new();
    internal Outbox Outbox { get; } = new();
    internal IReadOnlyList<Compensation> Compensations => _compensations;
    internal long LogSequence { get; set; }

    /// <summary>By activity id, then output name. Unlike Elsa's register it survives a suspend.</summary>
    internal Dictionary<string, Dictionary<string, object?>> ActivityOutputs { get; } = new(StringComparer.Ordinal);

    internal object? LastResult { get; set; }

    /// <summary>Messages may be under way that come due later than the instance's end.</summary>
    internal bool HasTimers { get; set; }

    /// <summary>It has ended since it was loaded: those who want to know must be told.</summary>
    internal bool HasEnded { get; private set; }

    /// <summary>The time of the step that is under way: one look at the clock a step.</summary>
    internal DateTimeOffset Now { get; private set; }

    /// <summary>Set while an activity's body runs as a durable task: completion is then recorded, not propagated.</summary>
    internal DetachedCompletion? Detached { get; set; }

    public T GetRequiredService<T>()
        where T : notnull
        => ServiceProvider.GetRequiredService<T>();

    internal void Tick() => Now = _time.GetUtcNow();

    internal ActivityExecutionContext? FindContext(string id) => Walk(Root).FirstOrDefault(c => c.Id == id);

    internal IEnumerable<ActivityExecutionContext> Contexts => Walk(Root);

#pragma warning disable CA1822 // Reads as a question to the instance.
    internal IEnumerable<ActivityExecutionContext> ChildrenOf(ActivityExecutionContext context) => context.Children;
#pragma warning restore CA1822

    internal IReadOnlyDictionary<string, object?> InputOf(ActivityExecutionContext context)
    {
        if (context.ResumeInput is not { Count: > 0 } resumed)
            return Input;
        var merged = new Dictionary<string, object?>(Input, StringComparer.Ordinal);
        foreach (var (name, value) in resumed)
            merged[name] = value;
        return merged;
    }

    internal ActivityExecutionContext CreateContext(in WorkItem item)
    {
        var context = new ActivityExecutionContext(this, item.Owner, item.Node) { StartedAt = Now, Tag = item.Tag, Completed = item.Completed };
        Attach(context);
        Touch(context);
        if (item.Node.Activity is IVariableContainer { Variables.Count: > 0 } container)
        {
            foreach (var variable in container.Variables)
                context.Declare(variable);
        }

        foreach (var slot in item.Variables ?? [])
            context.Declare(slot);
        return context;
    }

    /// <summary>
    /// For an activity by itself, where no instance runs: its context within those of what holds it, so that it sees the variables with their
    /// initial values.
    /// </summary>
    internal ActivityExecutionContext CreateContextOf(ActivityNode node)
    {
        var context = CreateContext(new(node, node.Parent is null ? null : CreateContextOf(node.Parent), null, [], default));
        context.Status = ActivityStatus.Running;
        return context;
    }

    internal void Attach(ActivityExecutionContext context)
    {
        if (context.ParentActivityExecutionContext is { } parent)
            parent.AddChild(context);
        else
            Root = context;
    }

    internal void Touch(ActivityExecutionContext context)
    {
        if (context.IsTouched || Detached is not null)
            return;
        context.IsTouched = true;
        Outbox.Touched.Add(context);
    }

    internal ValueTask ScheduleAsync(
        ActivityExecutionContext owner, IActivity? activity, ActivityCompletionCallback? callback, string? tag, IEnumerable<Variable>? variables)
    {
        if (activity is null)
            return callback is null ? default : callback(new(owner, owner, null));
        var node = Graph.NodeOf(activity);
        Enqueue(new(node, owner, tag, variables?.Select(VariableSlot.Of).ToList(), new(callback, null)));
        return default;
    }

    internal void Enqueue(in WorkItem item)
    {
        if (item.Owner is not null)
            item.Owner.QueuedWork++;
        Scheduled.Enqueue(item);
    }

    internal WorkItem Dequeue()
    {
        var item = Scheduled.Dequeue();
        if (item.Owner is not null)
            item.Owner.QueuedWork--;
        return item;
    }

    internal ValueTask CompleteAsync(ActivityExecutionContext context, Outcomes outcomes)
    {
        if (context.Status != ActivityStatus.Running)
            return default;
        if (Detached is not null)
        {
            context.Status = ActivityStatus.Completed;
            Detached = new(outcomes);
            return default;
        }

        return context.FirstChild is null && context.QueuedWork == 0
            ? CompleteAloneAsync(context, outcomes)
            : CompleteWithChildrenAsync(context, outcomes);
    }

    /// <summary>Cancels a context and all below it: queued work, bookmarks, durable tasks.</summary>
    internal async ValueTask CancelAsync(ActivityExecutionContext context)
    {
        if (context.Status is not (ActivityStatus.Running or ActivityStatus.Pending or ActivityStatus.Faulted))
            return;
        WithdrawWorkOf(context);
        context.Status = ActivityStatus.Canceled;
        foreach (var child in context.Children.ToList())
            await CancelAsync(child);
        if (context.HasTask)
            Outbox.CancelledTaskOwners.Add(context.Id);
        Log(context, "Canceled");
        Leave(context);
        if (context.ParentActivityExecutionContext is { Status: ActivityStatus.Running } parent && parent.Activity is ICancelledChildHandler handler)
            await handler.OnChildCancelledAsync(parent, context);
    }

    /// <summary>Cancels everything, then undoes what asked to be undone, the last first.</summary>
    /// <param name="by">The person who wants it, for the journal.</param>
    internal async ValueTask CancelWorkflowAsync(string? by = null)
    {
        ClearQueue();
        if (Root is { } root)
        {
            if (by is not null)
                Log(root, "Workflow cancelled", $"Cancelled by {by}.");
            await CancelAsync(root);
            for (var i = _compensations.Count - 1; i >= 0; i--)
                await CompensateAsync(root, _compensations[i]);
        }

        _compensations.Clear();
        End(WorkflowSubStatus.Cancelled);
    }

    /// <summary>Finish: nothing queued runs any more.</summary>
    internal void Finish()
    {
        ClearQueue();
        foreach (var context in Contexts.Where(c => c.HasTask))
            Outbox.CancelledTaskOwners.Add(context.Id);
        End(WorkflowSubStatus.Finished);
    }

    /// <summary>
    /// Whatever an activity throws becomes an incident of its instance, never a crash of the host. Only when the host stops
    /// is the burst dropped: it starts again from its last commit. A commit that failed is not the activity's fault either.
    /// </summary>
    internal bool IsFault(Exception exception) =>
        exception is not (CommitFailedException or BurstInterruptedException)
        && !(exception is OperationCanceledException && CancellationToken.IsCancellationRequested);

    /// <summary>Records an incident. The strategy says whether the other branches go on.</summary>
    internal void Fault(ActivityExecutionContext? context, Exception exception)
    {
        if (exception is CallbackFaultException callback)
            (context, exception) = (callback.Owner, callback.InnerException!);
        var state = exception is TaskFaultedException carried ? carried.State : ExceptionState.From(exception);
        context ??= Root;
        var message = exception is InputEvaluationException or FaultException or CSharpScriptException ? exception.Message : exception.GetBaseException().Message;
        _incidents.Add(new()
        {
            ActivityId = context?.Activity.Id ?? Graph.Root.Activity.Id,
            ActivityNodeId = context?.NodeId ?? Graph.Root.NodeId,
            ActivityInstanceId = context?.Id ?? "",
            ActivityType = context?.Activity.Type ?? "Elsa.Workflow",
            Message = message,
            Exception = state,
            Timestamp = Now,
        });
        if (context is not null)
        {
            context.Status = ActivityStatus.Faulted;
            context.Exception = state;
            context.HasTask = false;
            RemoveBookmarks(context);
            Log(context, "Faulted", message);
        }

        if (Graph.Options.IncidentStrategy == IncidentStrategy.Fault || context is null || context.ParentActivityExecutionContext is null)
            EndFaulted();
    }

    /// <summary>The burst's queue is empty: finished, or waiting. Waiting for nothing is a fault, not a wait.</summary>
    internal void Settle()
    {
        if (Status == WorkflowStatus.Finished)
            return;
        if (Root is null || Root.Status is ActivityStatus.Completed or ActivityStatus.Canceled)
        {
            End(WorkflowSubStatus.Finished);
            return;
        }

        SubStatus = WorkflowSubStatus.Suspended;
        if (_bookmarks.Count > 0 || Contexts.Any(c => c.HasTask || c.Status == ActivityStatus.Pending))
            return;
        // With incidents that others went on beside, this is their end; without, nobody could ever wake it.
        if (!Contexts.Any(c => c.Status == ActivityStatus.Faulted))
        {
            Fault(Contexts.LastOrDefault(c => c.Status == ActivityStatus.Running), new InvalidOperationException(
                "The workflow cannot go on: nothing is scheduled and it waits for no event, timer, task or child workflow."));
        }

        EndFaulted();
    }

    /// <summary>
    /// Runs faulted activities again, in their old contexts. What was queued and what waits elsewhere in the instance goes on too.
    /// A container that faulted over the completion of its children hears of them again; they do not run again.
    /// </summary>
    internal ValueTask RetryAsync(IReadOnlyCollection<string>? activityIds) => RetryAsync(new RetryRequest(activityIds));

    /// <summary>As <see cref="RetryAsync(IReadOnlyCollection{string}?)"/>, with the name of who asked for it.</summary>
    internal async ValueTask RetryAsync(RetryRequest request)
    {
        var activityIds = request.ActivityIds;
        var faulted = Contexts
            .Where(c => c.Status == ActivityStatus.Faulted && (activityIds is null || activityIds.Contains(c.Activity.Id) || activityIds.Contains(c.Id)))
            .ToList();
        // Set aside: no activity of it faulted, and it goes on from its last commit.
        var wasSetAside = activityIds is null && _incidents.RemoveAll(i => i.ActivityInstanceId.Length == 0) > 0;
        if (faulted.Count == 0 && !wasSetAside)
            return;
        Status = WorkflowStatus.Running;
        SubStatus = WorkflowSubStatus.Executing;
        HasEnded = false;
        if (Root is null && Scheduled.Count == 0)
            Enqueue(new(Graph.Root, null, null, null, default));
        faulted.ForEach(ForgetIncidents);
        foreach (var context in faulted.Where(c => c.Status == ActivityStatus.Faulted))
            await RetryAsync(context, request.By);
    }

    /// <summary>Calls the owner's callback. Where that fails, it is the owner who faults, and the child is kept for its retry.</summary>
    internal async ValueTask TellOwnerAsync(ActivityExecutionContext context)
    {
        if (!context.Completed.IsSet || context.ParentActivityExecutionContext is not { } owner)
            return;
        if (owner.Status == ActivityStatus.Faulted)
            owner.AddChild(context);
        if (owner.Status != ActivityStatus.Running)
            return;
        Touch(owner);
        try
        {
            await context.Completed.On(owner)(new(owner, context, context.Outcomes ?? Outcomes.Default));
        }
        // Whatever a callback throws; what it has told its own owner has its name already.
        catch (Exception e) when (e is not CallbackFaultException && IsFault(e))
        {
            owner.AddChild(context);
            throw new CallbackFaultException(owner, e);
        }
    }

    internal void ForgetIncidents(ActivityExecutionContext context) => _incidents.RemoveAll(i => i.ActivityInstanceId == context.Id);

    internal Bookmark AddBookmark(ActivityExecutionContext context, CreateBookmarkArgs args)
    {
        if (Detached is not null)
            throw new InvalidOperationException($"Activity '{context.Activity.Id}' runs as a durable task and cannot wait for a bookmark.");
        var name = args.BookmarkName ?? context.Activity.Type;
        var bookmark = new Bookmark
        {
            Id = NewRowId(_time),
            Name = name,
            Hash = StimulusHash.Of(name, args.Stimulus, args.IncludeActivityInstanceId ? context.Id : null),
            Payload = args.Stimulus is null ? null : JsonSerializer.SerializeToElement(args.Payload ?? args.Stimulus, WorkflowJson.Options),
            ActivityId = context.Activity.Id,
            ActivityNodeId = context.NodeId,
            ActivityInstanceId = context.Id,
            CreatedAt = Now,
            AutoBurn = args.AutoBurn,
            AutoComplete = args.AutoComplete,
            CallbackMethodName = args.Callback is null ? null : MethodNameOf(args.Callback.Method, context.Activity),
        };
        _bookmarks.Add(bookmark);
        Outbox.BookmarksAdded.Add(bookmark);
        return bookmark;
    }

    internal void ResumeLater(Bookmark bookmark, TimeSpan delay)
    {
        HasTimers = true;
        Outbox.Messages.Add(new(Id, MessageKind.Resume, bookmark.Id, null, delay));
    }

    internal void AddCompensations(IEnumerable<CompensationState> compensations) =>
        _compensations.AddRange(compensations.Select(c => new Compensation(c.NodeId, c.MethodName, c.Data is { } d ? WorkflowJson.ToPlain(d) : null)));

    internal void AddCompensation(ActivityExecutionContext context, ExecuteActivityDelegate compensation, object? data) =>
        _compensations.Add(new(context.NodeId, MethodNameOf(compensation.Method, context.Activity), data));

    internal void Burn(Bookmark bookmark)
    {
        _bookmarks.Remove(bookmark);
        if (!Outbox.BookmarksAdded.Remove(bookmark))
            Outbox.BookmarksRemoved.Add(bookmark.Id);
    }

    internal void BindOutput(ActivityExecutionContext context, Output output, object? value)
    {
        if (Detached is not null)
            return;
        if (!ActivityOutputs.TryGetValue(context.Activity.Id, out var outputs))
            ActivityOutputs[context.Activity.Id] = outputs = new(StringComparer.Ordinal);
        outputs[output.Name] = value;
        if (output.Name == "Result")
            LastResult = value;
        if (output.MemoryReferenceId is not { Length: > 0 } target)
            return;
        if (!context.TryAssignVariable(target, null, value) && Graph.Definition.HasOutput(target))
            Output[target] = value;
    }

    internal void Log(ActivityExecutionContext context, string eventName, string? message = null, object? payload = null)
    {
        if (Detached is not null)
            return;
        Touch(context);
        context.IsLogged = true;
        Outbox.Journal.Add(new(++LogSequence, context, eventName, message, payload, Now));
    }

    internal static string NewId() => Random.Shared.NextInt64().ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Ids of instances and bookmarks begin with the time, so that rows that are written together lie together in every index.</summary>
    internal static string NewRowId(TimeProvider time) =>
        time.GetUtcNow().ToUnixTimeMilliseconds().ToString("x12", CultureInfo.InvariantCulture)
        + (Random.Shared.NextInt64() & 0xFFFF_FFFF_FFFF).ToString("x12", CultureInfo.InvariantCulture);

    internal static IReadOnlyDictionary<string, JsonElement> Json(IEnumerable<KeyValuePair<string, object?>> values) =>
        values.ToDictionary(v => v.Key, v => JsonSerializer.SerializeToElement(v.Value, WorkflowJson.Options));

    internal static Dictionary<string, object?> Plain(IReadOnlyDictionary<string, JsonElement> values) =>
        values.ToDictionary(v => v.Key, v => WorkflowJson.ToPlain(v.Value), StringComparer.Ordinal);

    internal static string MethodNameOf(MethodInfo method, IActivity owner)
    {
        // A lambda's name is the compiler's: it could not be found again after a resume.
        if (method.DeclaringType is null || !method.DeclaringType.IsInstanceOfType(owner) || method.Name.Contains('<', StringComparison.Ordinal))
            throw new InvalidOperationException($"A callback must be a method of {owner.GetType().Name}, not a lambda: it is stored by name.");
        return method.Name;
    }

    /// <summary>The node at which a stored context or work item stands.</summary>
    /// <exception cref="InvalidOperationException">The graph does not hold it.</exception>
    internal ActivityNode NodeOf(string nodeId) => Graph.Find(nodeId)
        ?? throw new InvalidOperationException($"The instance stands at '{nodeId}', which version {Graph.Definition.Version} of its definition does not hold.");

    internal void RestoreRecords(IEnumerable<Bookmark> bookmarks, IEnumerable<Incident> incidents, IEnumerable<Compensation> compensations)
    {
        _bookmarks.AddRange(bookmarks);
        _incidents.AddRange(incidents);
        _compensations.AddRange(compensations);
    }

    private static IEnumerable<ActivityExecutionContext> Walk(ActivityExecutionContext? context)
    {
        if (context is null)
            yield break;
        // Parents before their children: so they are stored, so they can be restored.
        var todo = new Stack<ActivityExecutionContext>();
        todo.Push(context);
        while (todo.TryPop(out var next))
        {
            yield return next;
            foreach (var child in next.Children.Reverse())
                todo.Push(child);
        }
    }

    private async ValueTask CompleteWithChildrenAsync(ActivityExecutionContext context, Outcomes outcomes)
    {
        foreach (var child in context.Children.ToList())
            await CancelAsync(child);
        WithdrawWorkOf(context);
        await CompleteAloneAsync(context, outcomes);
    }

    private ValueTask CompleteAloneAsync(ActivityExecutionContext context, Outcomes outcomes)
    {
        context.Status = ActivityStatus.Completed;
        context.Outcomes = outcomes;
        Log(context, "Completed");
        Leave(context);
        return TellOwnerAsync(context);
    }

    private async ValueTask RetryAsync(ActivityExecutionContext context, string? by)
    {
        Log(context, "Retried", by is null ? null : $"Retried by {by}.");
        var untold = context.Children.Where(c => c.Status == ActivityStatus.Completed).ToList();
        if (untold.Count > 0)
        {
            context.Status = ActivityStatus.Running;
            context.Exception = null;
            foreach (var child in untold)
                Enqueue(new(child.Node, context, child.Tag, null, child.Completed, child));
            return;
        }

        foreach (var child in context.Children.ToList())
            await CancelAsync(child);
        WithdrawWorkOf(context);
        context.Reset();
        Enqueue(new(context.Node, context.ParentActivityExecutionContext, context.Tag, null, context.Completed, context));
    }

    private async ValueTask CompensateAsync(ActivityExecutionContext root, Compensation compensation)
    {
        var node = NodeOf(compensation.NodeId);
        var context = new ActivityExecutionContext(this, root, node)
        {
            StartedAt = Now,
            Status = ActivityStatus.Running,
            ResumeInput = new Dictionary<string, object?> { ["Compensation"] = compensation.Data },
        };
        Touch(context);
        try
        {
            await node.Descriptor.Bind<ExecuteActivityDelegate>(node.Activity, compensation.MethodName)(context);
            (context.Status, context.CompletedAt) = (ActivityStatus.Completed, Now);
            Log(context, "Compensated");
        }
        // One compensation that fails must not keep the others from running: it becomes an incident.
        catch (Exception e) when (IsFault(e))
        {
            Fault(context, e);
        }
    }

    private void EndFaulted()
    {
        HasEnded = true;
        Status = WorkflowStatus.Finished;
        SubStatus = WorkflowSubStatus.Faulted;
    }

    private void End(WorkflowSubStatus subStatus)
    {
        HasEnded = true;
        Status = WorkflowStatus.Finished;
        SubStatus = subStatus;
        foreach (var bookmark in _bookmarks.ToList())
            Burn(bookmark);
        // What never completed is over too; only the root is kept, for its variables.
        foreach (var context in Contexts.Where(c => c.ParentActivityExecutionContext is not null).ToList())
            context.ParentActivityExecutionContext!.RemoveChild(context);
    }

    /// <summary>The context is done: its bookmarks and (unless it is the root) the context itself go.</summary>
    private void Leave(ActivityExecutionContext context)
    {
        context.CompletedAt = Now;
        context.HasTask = false;
        RemoveBookmarks(context);
        context.ParentActivityExecutionContext?.RemoveChild(context);
    }

    private void RemoveBookmarks(ActivityExecutionContext context)
    {
        if (_bookmarks.Count == 0)
            return;
        foreach (var bookmark in _bookmarks.Where(b => b.ActivityInstanceId == context.Id).ToList())
            Burn(bookmark);
    }

    private void ClearQueue()
    {
        foreach (var item in Scheduled)
        {
            if (item.Owner is not null)
                item.Owner.QueuedWork = 0;
        }

        Scheduled.Clear();
    }

    private void WithdrawWorkOf(ActivityExecutionContext owner)
    {
        // An item that runs a context again is that context's own work.
        if (Scheduled.Count == 0)
            return;
        if (owner.QueuedWork > 0 || Scheduled.Any(w => w.Existing == owner))
            Scheduled = new(Scheduled.Where(w => w.Owner != owner && w.Existing != owner));
        owner.QueuedWork = 0;
    }
}

/// <summary>The outcome of an activity that ran as a durable task; null outcomes until it has completed.</summary>
internal sealed record DetachedCompletion(Outcomes? Outcomes = null);

/// <summary>An owner's completion callback failed.</summary>
internal sealed class CallbackFaultException(ActivityExecutionContext owner, Exception inner) : Exception(inner.Message, inner)
{
    public ActivityExecutionContext Owner { get; } = owner;
}

/// <summary>A container that must know when a child was cancelled by someone else.</summary>
internal interface ICancelledChildHandler
{
    ValueTask OnChildCancelledAsync(ActivityExecutionContext context, ActivityExecutionContext child);
}
