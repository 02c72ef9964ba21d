using System.Text.Json;
using Aura.Workflows.Expressions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows;

/// <summary>A value in scope.</summary>
internal sealed class VariableSlot(string id, string name, string typeName, object? value)
{
    public string Id { get; } = id;
    public string Name { get; } = name;
    public string TypeName { get; } = typeName;
    public object? Value { get; set; } = value;

    public VariableSlotState ToState() => new(Id, Name, TypeName, JsonSerializer.SerializeToElement(Value, WorkflowJson.Options));

    public static VariableSlot From(VariableSlotState state) => new(state.Id, state.Name, state.TypeName, WorkflowJson.ToPlain(state.Value));
}

/// <summary>One run of one activity: its inputs, outputs, properties, children and bookmarks.</summary>
public sealed class ActivityExecutionContext
{
    internal ActivityExecutionContext(string id, WorkflowExecutionContext workflow, ActivityExecutionContext? parent, ActivityNode node)
    {
        Id = id;
        WorkflowExecutionContext = workflow;
        ParentActivityExecutionContext = parent;
        Node = node;
    }

    public string Id { get; }
    public WorkflowExecutionContext WorkflowExecutionContext { get; }
    public ActivityExecutionContext? ParentActivityExecutionContext { get; }
    public IActivity Activity => Node.Activity;
    public string NodeId => Node.NodeId;
    public ActivityStatus Status { get; internal set; } = ActivityStatus.Pending;
    public DateTimeOffset StartedAt { get; internal set; }
    public DateTimeOffset? CompletedAt { get; internal set; }
    public string? Tag { get; internal set; }
    public CancellationToken CancellationToken => WorkflowExecutionContext.CancellationToken;

    /// <summary>Kept between bursts; values must be serialisable.</summary>
    public IDictionary<string, object?> Properties { get; internal set; } = new Dictionary<string, object?>(StringComparer.Ordinal);

    /// <summary>Shown in the journal and in the execution record.</summary>
    public IDictionary<string, object?> JournalData { get; } = new Dictionary<string, object?>(StringComparer.Ordinal);

    /// <summary>The evaluated inputs, by property name.</summary>
    public IDictionary<string, object?> ActivityState { get; internal set; } = new Dictionary<string, object?>(StringComparer.Ordinal);

    /// <summary>The input of the run, over which the input of the stimulus that resumed this activity is laid.</summary>
    public IReadOnlyDictionary<string, object?> WorkflowInput => WorkflowExecutionContext.InputOf(this);

    internal ActivityNode Node { get; }
    internal Dictionary<string, VariableSlot> Slots { get; } = new(StringComparer.Ordinal);
    internal Dictionary<string, object?> Outputs { get; } = new(StringComparer.Ordinal);
    internal bool HasTask { get; set; }
    internal int BookmarksCreated { get; private set; }
    internal ExceptionState? Exception { get; set; }
    internal IReadOnlyDictionary<string, object?>? ResumeInput { get; set; }
    internal bool HasChanged { get; set; } = true;

    public T GetRequiredService<T>()
        where T : notnull
        => WorkflowExecutionContext.ServiceProvider.GetRequiredService<T>();

    public T? GetService<T>() => WorkflowExecutionContext.ServiceProvider.GetService<T>();

    /// <summary>The value of an input, evaluated once a run.</summary>
    public T? Get<T>(Input<T>? input)
    {
        if (input is null)
            return default;
        return ActivityState.TryGetValue(input.Name, out var value)
            ? ObjectConverter.ConvertTo<T>(value)
            : (T?)Evaluate(input);
    }

    public void Set(Output? output, object? value)
    {
        if (output is null)
            return;
        Outputs[output.Name] = value;
        WorkflowExecutionContext.BindOutput(this, output, value);
    }

    public void SetResult(object? value)
    {
        if (Node.Descriptor.OutputOf(Activity, "Result") is { } output)
            Set(output, value);
        else
            Outputs["Result"] = value;
    }

    /// <summary>The value of the nearest variable of that name, or null.</summary>
    public T? GetVariable<T>(string name) => ObjectConverter.ConvertTo<T>(FindVariable(null, name)?.Value);

    /// <summary>Sets the nearest variable of that name; creates one on the nearest container when there is none.</summary>
    public void SetVariable(string name, object? value)
    {
        if (!TryAssignVariable(null, name, value))
        {
            var container = ParentActivityExecutionContext ?? this;
            container.Slots[name] = new(name, name, "Object", value);
        }
    }

    public T? GetWorkflowInput<T>(string name) =>
        WorkflowInput.TryGetValue(name, out var value) ? ObjectConverter.ConvertTo<T>(value) : default;

    public T? GetProperty<T>(string name) => Properties.TryGetValue(name, out var value) ? ObjectConverter.ConvertTo<T>(value) : default;

    public void SetProperty(string name, object? value) => Properties[name] = value;

    public ValueTask CompleteActivityAsync(object? result = null) =>
        WorkflowExecutionContext.CompleteAsync(this, result as Outcomes ?? Outcomes.Default);

    public ValueTask CompleteActivityWithOutcomesAsync(params string[] outcomes) =>
        WorkflowExecutionContext.CompleteAsync(this, new(outcomes));

    /// <summary>Puts a child at the end of the queue. The callback must be a method of this activity's class.</summary>
    public ValueTask ScheduleActivityAsync(IActivity? activity, ActivityCompletionCallback? callback = null) =>
        ScheduleActivityAsync(activity, callback, null, null);

    /// <param name="tag">Told apart by it when one child runs several times at once.</param>
    /// <param name="variables">Declared in the child's own scope (for example <c>CurrentValue</c>).</param>
    public ValueTask ScheduleActivityAsync(
        IActivity? activity, ActivityCompletionCallback? callback, string? tag, IEnumerable<Variable>? variables)
        => WorkflowExecutionContext.ScheduleAsync(this, activity, callback, tag, variables);

    public Bookmark CreateBookmark(CreateBookmarkArgs args)
    {
        ArgumentNullException.ThrowIfNull(args);
        BookmarksCreated++;
        return WorkflowExecutionContext.AddBookmark(this, args);
    }

    public Bookmark CreateBookmark(object stimulus, ExecuteActivityDelegate? callback = null, bool includeActivityInstanceId = true) =>
        CreateBookmark(new() { Stimulus = stimulus, Callback = callback, IncludeActivityInstanceId = includeActivityInstanceId });

    /// <summary>Waits, durably: a message that is due later resumes the bookmark.</summary>
    public void DelayFor(TimeSpan delay, ExecuteActivityDelegate? callback = null)
    {
        var bookmark = CreateBookmark(new() { BookmarkName = "Elsa.Delay", Callback = callback, IncludeActivityInstanceId = true });
        WorkflowExecutionContext.Outbox.Messages.Add(new(WorkflowExecutionContext.Id, MessageKind.Resume, bookmark.Id, null, delay));
    }

    public ValueTask CancelActivityAsync() => WorkflowExecutionContext.CancelAsync(this);

    public void AddExecutionLogEntry(string eventName, string? message = null, object? payload = null) =>
        WorkflowExecutionContext.Log(this, eventName, message, payload);

    internal object? Evaluate(Input input)
    {
        try
        {
            return ExpressionEvaluator.Evaluate(input.Expression, input.Type, this);
        }
        // Whatever an expression throws, the incident must name the input.
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new InputEvaluationException(input.Name, e);
        }
    }

    /// <summary>By id through the chain of scopes, then by name.</summary>
    internal VariableSlot? FindVariable(string? id, string? name)
    {
        for (var scope = this; id is { Length: > 0 } && scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            if (scope.Slots.TryGetValue(id, out var slot))
                return slot;
        }

        for (var scope = this; name is { Length: > 0 } && scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            foreach (var slot in scope.Slots.Values)
            {
                if (slot.Name == name)
                    return slot;
            }
        }

        return null;
    }

    internal bool TryAssignVariable(string? id, string? name, object? value)
    {
        if (FindVariable(id, name) is not { } slot)
            return false;
        slot.Value = slot.TypeName == "Object" ? value : ObjectConverter.ConvertTo(value, TypeAliases.TypeOf(slot.TypeName));
        return true;
    }

    internal void AssignVariable(string id, string name, object? value)
    {
        if (!TryAssignVariable(id, name, value))
            throw new InvalidOperationException($"No variable '{name}' is in scope of activity '{Activity.Id}'.");
    }

    internal void Declare(Variable variable)
    {
        var value = variable.IsArray || variable.TypeName == "Object" || variable.Value is null
            ? variable.Value
            : ObjectConverter.ConvertTo(variable.Value, TypeAliases.TypeOf(variable.TypeName));
        var id = variable.Id.Length > 0 ? variable.Id : variable.Name;
        Slots[id] = new(id, variable.Name, variable.IsArray ? "Object" : variable.TypeName, value);
    }
}

/// <summary>The names an activity completed with. Default completion also follows connections without a port.</summary>
public sealed record Outcomes
{
    public static readonly Outcomes Default = new("Done") { IsDefault = true };

    public Outcomes(params string[] names) => Names = names;

    public IReadOnlyList<string> Names { get; }
    internal bool IsDefault { get; private init; }

    internal bool Follows(string? port) => port is null ? IsDefault : Names.Contains(port);
}
