using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Expressions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows;

/// <summary>An activity that is due to run.</summary>
internal sealed record WorkItem(ActivityNode Node, ActivityExecutionContext? Owner, string? Tag, IReadOnlyList<VariableSlot> Variables);

internal sealed record CompletionCallback(ActivityExecutionContext Owner, string ChildNodeId, string MethodName, string? Tag);

/// <summary>
/// One instance in memory for the length of a burst: its contexts, its queue and what it wants to commit.
/// Never used by two threads at once.
/// </summary>
public sealed class WorkflowExecutionContext
{
    private readonly List<ActivityExecutionContext> _contexts = [];
    private readonly List<CompletionCallback> _callbacks = [];
    private readonly List<Bookmark> _bookmarks = [];
    private readonly List<Incident> _incidents = [];
    private readonly Dictionary<string, object?> _input;
    private readonly Dictionary<string, Dictionary<string, object?>> _activityOutputs = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private long _logSequence;

    internal WorkflowExecutionContext(
        string id, WorkflowGraph graph, WorkflowState state, string? correlationId, IServiceProvider services, CancellationToken cancellationToken)
    {
        Id = id;
        Graph = graph;
        CorrelationId = correlationId;
        ServiceProvider = services;
        CancellationToken = cancellationToken;
        _time = services.GetRequiredService<TimeProvider>();
        Status = state.Status;
        SubStatus = state.SubStatus;
        Name = state.Name;
        TriggerActivityId = state.TriggerActivityId;
        _logSequence = state.LogSequence;
        _input = Plain(state.Input);
        Output = Plain(state.Output);
        foreach (var (activityId, outputs) in state.ActivityOutputs)
            _activityOutputs[activityId] = Plain(outputs);
        _bookmarks.AddRange(state.Bookmarks);
        _incidents.AddRange(state.Incidents);
        RestoreContexts(state);
        BookmarksBefore = [.. _bookmarks];
    }

    public string Id { get; }
    public string? CorrelationId { get; set; }
    public string? Name { get; set; }
    public WorkflowStatus Status { get; private set; }
    public WorkflowSubStatus SubStatus { get; private set; }
    public IServiceProvider ServiceProvider { get; }
    public CancellationToken CancellationToken { get; }
    public IReadOnlyDictionary<string, object?> Input => _input;
    public IDictionary<string, object?> Output { get; }
    public IReadOnlyList<Bookmark> Bookmarks => _bookmarks;
    public IReadOnlyList<Incident> Incidents => _incidents;

    internal WorkflowGraph Graph { get; }
    internal string? TriggerActivityId { get; set; }
    internal Queue<WorkItem> Scheduled { get; private set; } = new();
    internal Outbox Outbox { get; } = new();
    internal IReadOnlyList<Bookmark> BookmarksBefore { get; }
    internal IReadOnlyList<ActivityExecutionContext> Contexts => _contexts;

    /// <summary>Every context that this burst touched, for the execution records.</summary>
    internal List<ActivityExecutionContext> Touched { get; } = [];

    /// <summary>Set while an activity's body runs as a durable task: completion is then recorded, not propagated.</summary>
    internal DetachedCompletion? Detached { get; set; }

    public T GetRequiredService<T>()
        where T : notnull
        => ServiceProvider.GetRequiredService<T>();

    internal ActivityExecutionContext? FindContext(string id) => _contexts.Find(c => c.Id == id);

    internal IEnumerable<ActivityExecutionContext> ChildrenOf(ActivityExecutionContext context) =>
        _contexts.Where(c => c.ParentActivityExecutionContext == context);

    internal IReadOnlyDictionary<string, object?> InputOf(ActivityExecutionContext context)
    {
        if (context.ResumeInput is not { Count: > 0 } resumed)
            return _input;
        var merged = new Dictionary<string, object?>(_input, StringComparer.Ordinal);
        foreach (var (name, value) in resumed)
            merged[name] = value;
        return merged;
    }

    internal ActivityExecutionContext CreateContext(ActivityNode node, ActivityExecutionContext? parent)
    {
        var context = new ActivityExecutionContext(NewId(), this, parent, node) { StartedAt = _time.GetUtcNow() };
        _contexts.Add(context);
        Touch(context);
        if (node.Activity is IVariableContainer container)
        {
            foreach (var variable in container.Variables)
                context.Declare(variable);
        }

        return context;
    }

    internal void Touch(ActivityExecutionContext context)
    {
        if (!Touched.Contains(context))
            Touched.Add(context);
    }

    internal ValueTask ScheduleAsync(
        ActivityExecutionContext owner, IActivity? activity, ActivityCompletionCallback? callback, string? tag, IEnumerable<Variable>? variables)
    {
        if (activity is null)
            return callback is null ? default : callback(new(owner, owner, null));
        var node = Graph.NodeOf(activity);
        if (callback is not null)
            _callbacks.Add(new(owner, node.NodeId, MethodNameOf(callback.Method, owner.Activity), tag));
        var slots = (variables ?? []).Select(v => new VariableSlot(v.Id.Length > 0 ? v.Id : v.Name, v.Name, v.TypeName, v.Value)).ToList();
        Scheduled.Enqueue(new(node, owner, tag, slots));
        return default;
    }

    internal async ValueTask CompleteAsync(ActivityExecutionContext context, Outcomes outcomes)
    {
        if (context.Status != ActivityStatus.Running)
            return;
        if (Detached is not null)
        {
            context.Status = ActivityStatus.Completed;
            Detached = new(outcomes);
            return;
        }

        foreach (var child in ChildrenOf(context).ToList())
            await CancelAsync(child);
        WithdrawWorkOf(context);
        context.Status = ActivityStatus.Completed;
        context.JournalData["Outcomes"] = outcomes.Names;
        Log(context, "Completed", null, context.JournalData);
        Leave(context);

        var callback = _callbacks.Find(c =>
            c.Owner == context.ParentActivityExecutionContext && c.ChildNodeId == context.NodeId && c.Tag == context.Tag);
        if (callback is null)
            return;
        _callbacks.Remove(callback);
        if (callback.Owner.Status == ActivityStatus.Running)
        {
            Touch(callback.Owner);
            await Invoke<ActivityCompletionCallback>(callback.Owner.Activity, callback.MethodName)(new(callback.Owner, context, outcomes));
        }
    }

    /// <summary>Cancels a context and all below it: queued work, bookmarks, durable tasks.</summary>
    internal async ValueTask CancelAsync(ActivityExecutionContext context)
    {
        if (context.Status is not (ActivityStatus.Running or ActivityStatus.Pending))
            return;
        WithdrawWorkOf(context);
        foreach (var child in ChildrenOf(context).ToList())
            await CancelAsync(child);
        context.Status = ActivityStatus.Canceled;
        if (context.HasTask)
            Outbox.CancelledTaskOwners.Add(context.Id);
        Log(context, "Canceled");
        Leave(context);
        if (context.ParentActivityExecutionContext is { Status: ActivityStatus.Running } parent && parent.Activity is ICancelledChildHandler handler)
            await handler.OnChildCancelledAsync(parent, context);
    }

    internal async ValueTask CancelWorkflowAsync()
    {
        Scheduled.Clear();
        foreach (var context in _contexts.Where(c => c.ParentActivityExecutionContext is null).ToList())
            await CancelAsync(context);
        End(WorkflowSubStatus.Cancelled);
    }

    /// <summary>Finish: nothing queued runs any more.</summary>
    internal void Finish()
    {
        Scheduled.Clear();
        foreach (var context in _contexts.Where(c => c.HasTask))
            Outbox.CancelledTaskOwners.Add(context.Id);
        End(WorkflowSubStatus.Finished);
    }

    internal void Fault(ActivityExecutionContext? context, Exception exception, DateTimeOffset now)
    {
        var state = ExceptionState.From(exception);
        context ??= _contexts.FirstOrDefault();
        var message = exception is InputEvaluationException or FaultException ? exception.Message : exception.GetBaseException().Message;
        _incidents.Add(new()
        {
            ActivityId = context?.Activity.Id ?? Graph.Root.Activity.Id,
            ActivityNodeId = context?.NodeId ?? Graph.Root.NodeId,
            ActivityInstanceId = context?.Id ?? "",
            ActivityType = context?.Activity.Type ?? "Elsa.Workflow",
            Message = message,
            Exception = state,
            Timestamp = now,
        });
        if (context is not null)
        {
            context.Status = ActivityStatus.Faulted;
            context.Exception = state;
            Touch(context);
            Log(context, "Faulted", message);
        }

        Status = WorkflowStatus.Finished;
        SubStatus = WorkflowSubStatus.Faulted;
    }

    /// <summary>The burst's queue is empty: finished, or waiting. Waiting for nothing is a fault, not a wait.</summary>
    internal void Settle(DateTimeOffset now)
    {
        if (Status == WorkflowStatus.Finished)
            return;
        if (_contexts.TrueForAll(c => c.Status is ActivityStatus.Completed or ActivityStatus.Canceled))
        {
            End(WorkflowSubStatus.Finished);
            return;
        }

        SubStatus = WorkflowSubStatus.Suspended;
        if (_bookmarks.Count == 0 && !_contexts.Exists(c => c.HasTask || c.Status == ActivityStatus.Pending))
            Fault(_contexts.FindLast(c => c.Status == ActivityStatus.Running), new InvalidOperationException(
                "The workflow cannot go on: nothing is scheduled and it waits for no event, timer, task or child workflow."), now);
    }

    internal void Begin() => SubStatus = WorkflowSubStatus.Executing;

    internal Bookmark AddBookmark(ActivityExecutionContext context, CreateBookmarkArgs args)
    {
        if (Detached is not null)
            throw new InvalidOperationException($"Activity '{context.Activity.Id}' runs as a durable task and cannot wait for a bookmark.");
        var name = args.BookmarkName ?? context.Activity.Type;
        var bookmark = new Bookmark
        {
            Id = NewId(),
            Name = name,
            Hash = StimulusHash.Of(name, args.Stimulus, args.IncludeActivityInstanceId ? context.Id : null),
            Payload = args.Stimulus is null ? null : JsonSerializer.SerializeToElement(args.Stimulus, WorkflowJson.Options),
            ActivityId = context.Activity.Id,
            ActivityNodeId = context.NodeId,
            ActivityInstanceId = context.Id,
            CreatedAt = _time.GetUtcNow(),
            AutoBurn = args.AutoBurn,
            AutoComplete = args.AutoComplete,
            CallbackMethodName = args.Callback is null ? null : MethodNameOf(args.Callback.Method, context.Activity),
        };
        _bookmarks.Add(bookmark);
        return bookmark;
    }

    internal void Burn(Bookmark bookmark) => _bookmarks.Remove(bookmark);

    internal void BindOutput(ActivityExecutionContext context, Output output, object? value)
    {
        if (Detached is not null)
            return;
        if (!_activityOutputs.TryGetValue(context.Activity.Id, out var outputs))
            _activityOutputs[context.Activity.Id] = outputs = new(StringComparer.Ordinal);
        outputs[output.Name] = value;
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
        Outbox.Journal.Add(new(
            NewId(), ++_logSequence, context.Id, context.ParentActivityExecutionContext?.Id, context.Activity.Id, context.NodeId,
            context.Activity.Type, context.Activity.Name, eventName, message,
            payload is null ? null : JsonSerializer.SerializeToElement(payload, WorkflowJson.Options), _time.GetUtcNow()));
    }

    internal WorkflowState ToState() => new()
    {
        Status = Status,
        SubStatus = SubStatus,
        Name = Name,
        TriggerActivityId = TriggerActivityId,
        LogSequence = _logSequence,
        Input = Json(_input),
        Output = Json(Output),
        ActivityOutputs = _activityOutputs.ToDictionary(o => o.Key, o => Json(o.Value)),
        Bookmarks = [.. _bookmarks],
        Incidents = [.. _incidents],
        Callbacks = [.. _callbacks.Select(c => new CompletionCallbackState(c.Owner.Id, c.ChildNodeId, c.MethodName, c.Tag))],
        Scheduled = [.. Scheduled.Select(w => new WorkItemState(w.Node.NodeId, w.Owner?.Id, w.Tag, [.. w.Variables.Select(v => v.ToState())]))],
        Contexts = [.. _contexts.Select(c => new ActivityContextState
        {
            Id = c.Id,
            ParentId = c.ParentActivityExecutionContext?.Id,
            NodeId = c.NodeId,
            Status = c.Status,
            Tag = c.Tag,
            HasTask = c.HasTask,
            StartedAt = c.StartedAt,
            Properties = Json(c.Properties),
            ActivityState = Json(c.ActivityState),
            Variables = [.. c.Slots.Values.Select(s => s.ToState())],
        })],
    };

    /// <summary>A method of an activity, found by name on its class or a base class.</summary>
    internal static TDelegate Invoke<TDelegate>(IActivity activity, string methodName)
        where TDelegate : Delegate
    {
        for (var type = activity.GetType(); type is not null; type = type.BaseType)
        {
            var method = type.GetMethod(methodName, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly);
            if (method is not null)
                return method.CreateDelegate<TDelegate>(activity);
        }

        throw new InvalidOperationException($"{activity.GetType().Name} has no method '{methodName}', which a stored instance wants to call.");
    }

    internal static string NewId() => Random.Shared.NextInt64().ToString("x16", CultureInfo.InvariantCulture);

    internal static IReadOnlyDictionary<string, JsonElement> Json(IEnumerable<KeyValuePair<string, object?>> values) =>
        values.ToDictionary(v => v.Key, v => JsonSerializer.SerializeToElement(v.Value, WorkflowJson.Options));

    internal static Dictionary<string, object?> Plain(IReadOnlyDictionary<string, JsonElement> values) =>
        values.ToDictionary(v => v.Key, v => WorkflowJson.ToPlain(v.Value), StringComparer.Ordinal);

    private void End(WorkflowSubStatus subStatus)
    {
        Status = WorkflowStatus.Finished;
        SubStatus = subStatus;
        _bookmarks.Clear();
        _callbacks.Clear();
    }

    /// <summary>The context is done: its bookmarks, callbacks and (unless it is the root) the context itself go.</summary>
    private void Leave(ActivityExecutionContext context)
    {
        context.CompletedAt = _time.GetUtcNow();
        context.HasTask = false;
        Touch(context);
        _bookmarks.RemoveAll(b => b.ActivityInstanceId == context.Id);
        _callbacks.RemoveAll(c => c.Owner == context);
        if (context.ParentActivityExecutionContext is not null)
            _contexts.Remove(context);
    }

    private void WithdrawWorkOf(ActivityExecutionContext owner)
    {
        if (Scheduled.Any(w => w.Owner == owner))
            Scheduled = new(Scheduled.Where(w => w.Owner != owner));
    }

    private void RestoreContexts(WorkflowState state)
    {
        var byId = new Dictionary<string, ActivityExecutionContext>(StringComparer.Ordinal);
        foreach (var stored in state.Contexts)
        {
            var parent = stored.ParentId is null ? null : byId[stored.ParentId];
            var context = new ActivityExecutionContext(stored.Id, this, parent, NodeOf(stored.NodeId))
            {
                Status = stored.Status,
                Tag = stored.Tag,
                HasTask = stored.HasTask,
                StartedAt = stored.StartedAt,
                Properties = Plain(stored.Properties),
                ActivityState = Plain(stored.ActivityState),
            };
            foreach (var slot in stored.Variables)
                context.Slots[slot.Id] = VariableSlot.From(slot);
            byId.Add(stored.Id, context);
            _contexts.Add(context);
        }

        foreach (var item in state.Scheduled)
            Scheduled.Enqueue(new(NodeOf(item.NodeId), item.OwnerId is null ? null : byId[item.OwnerId], item.Tag, [.. item.Variables.Select(VariableSlot.From)]));
        foreach (var callback in state.Callbacks.Where(c => byId.ContainsKey(c.OwnerId)))
            _callbacks.Add(new(byId[callback.OwnerId], callback.ChildNodeId, callback.MethodName, callback.Tag));
    }

    private ActivityNode NodeOf(string nodeId) => Graph.Find(nodeId)
        ?? throw new InvalidOperationException($"The instance stands at '{nodeId}', which version {Graph.Definition.Version} of its definition does not hold.");

    private static string MethodNameOf(MethodInfo method, IActivity owner)
    {
        // A lambda's name is the compiler's: it could not be found again after a resume.
        if (method.DeclaringType is null || !method.DeclaringType.IsInstanceOfType(owner) || method.Name.Contains('<', StringComparison.Ordinal))
            throw new InvalidOperationException($"A callback must be a method of {owner.GetType().Name}, not a lambda: it is stored by name.");
        return method.Name;
    }
}

/// <summary>The outcome of an activity that ran as a durable task; null outcomes until it has completed.</summary>
internal sealed record DetachedCompletion(Outcomes? Outcomes = null);

/// <summary>A container that must know when a child was cancelled by someone else.</summary>
internal interface ICancelledChildHandler
{
    ValueTask OnChildCancelledAsync(ActivityExecutionContext context, ActivityExecutionContext child);
}
