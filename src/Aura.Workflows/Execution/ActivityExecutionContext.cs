using Aura.Workflows.Expressions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows;

/// <summary>A value in scope.</summary>
internal sealed class VariableSlot(string id, string name, string typeName, object? value, bool isPersisted = true)
{
    public string Id { get; } = id;
    public string Name { get; } = name;
    public string TypeName { get; } = typeName;
    public object? Value { get; set; } = value;

    /// <summary>False: the value is lost when the instance leaves memory, as its author asked for.</summary>
    public bool IsPersisted { get; } = isPersisted;

    public static VariableSlot Of(Variable variable)
    {
        var value = variable.IsArray || variable.TypeName == "Object" || variable.Value is null
            ? variable.Value
            : ObjectConverter.ConvertTo(variable.Value, TypeAliases.TypeOf(variable.TypeName));
        return new(
            variable.Id.Length > 0 ? variable.Id : variable.Name, variable.Name, variable.IsArray ? "Object" : variable.TypeName, value,
            variable.IsPersisted);
    }
}

/// <summary>One run of one activity: its inputs, outputs, properties, children and bookmarks.</summary>
public sealed class ActivityExecutionContext
{
    // Most activities use none of these: made when first asked for.
    private string? _id;
    private Dictionary<string, object?>? _properties;
    private Dictionary<string, object?>? _journalData;
    private Dictionary<string, object?>? _activityState;
    private Dictionary<string, object?>? _outputs;
    private List<VariableSlot>? _slots;

    internal ActivityExecutionContext(WorkflowExecutionContext workflow, ActivityExecutionContext? parent, ActivityNode node, string? id = null)
    {
        _id = id;
        WorkflowExecutionContext = workflow;
        ParentActivityExecutionContext = parent;
        Node = node;
    }

    public string Id => _id ??= WorkflowExecutionContext.NewId();

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
    public IDictionary<string, object?> Properties => _properties ??= new(StringComparer.Ordinal);

    /// <summary>Shown in the journal and in the execution record.</summary>
    public IDictionary<string, object?> JournalData => _journalData ??= new(StringComparer.Ordinal);

    /// <summary>The evaluated inputs, by property name.</summary>
    public IDictionary<string, object?> ActivityState => _activityState ??= new(StringComparer.Ordinal);

    /// <summary>
    /// The input of the run, over which the inputs of enclosing workflows-as-activities are laid, and over these the input of the
    /// stimulus that resumed this activity.
    /// </summary>
    public IReadOnlyDictionary<string, object?> WorkflowInput => Activities.WorkflowDefinitionActivity.InputFor(this, WorkflowExecutionContext.InputOf(this));

    internal ActivityNode Node { get; }
    internal IReadOnlyDictionary<string, object?>? StoredProperties => _properties;
    internal IReadOnlyDictionary<string, object?>? StoredJournalData => _journalData;
    internal IReadOnlyDictionary<string, object?>? StoredActivityState => _activityState;
    internal IReadOnlyDictionary<string, object?>? StoredOutputs => _outputs;
    internal IReadOnlyList<VariableSlot> Slots => _slots ?? (IReadOnlyList<VariableSlot>)[];

    /// <summary>What the parent wants to be called with when this activity completes.</summary>
    internal Callback Completed { get; set; }

    internal Outcomes? Outcomes { get; set; }
    internal bool HasTask { get; set; }
    internal int BookmarksCreated { get; private set; }
    internal ExceptionState? Exception { get; set; }
    internal IReadOnlyDictionary<string, object?>? ResumeInput { get; set; }

    /// <summary>How many work items of this context are in the queue.</summary>
    internal int QueuedWork { get; set; }

    /// <summary>Its place in the history document that is being rendered.</summary>
    internal int HistoryIndex { get; set; }

    /// <summary>Whether its record goes out with the next commit.</summary>
    internal bool IsTouched { get; set; }

    /// <summary>Whether the journal's next lines speak of it.</summary>
    internal bool IsLogged { get; set; }

    /// <summary>Its record as this burst last wrote it while it ran; null before.</summary>
    internal byte[]? LastRecord { get; set; }

    // Children stand in a list that runs through themselves: adding and removing one is a matter of four references.
    internal ActivityExecutionContext? FirstChild { get; private set; }
    internal ActivityExecutionContext? NextSibling { get; private set; }
    private ActivityExecutionContext? LastChild { get; set; }
    private ActivityExecutionContext? PreviousSibling { get; set; }

    internal IEnumerable<ActivityExecutionContext> Children
    {
        get
        {
            for (var child = FirstChild; child is not null; child = child.NextSibling)
                yield return child;
        }
    }

    public T GetRequiredService<T>()
        where T : notnull
        => WorkflowExecutionContext.ServiceProvider.GetRequiredService<T>();

    public T? GetService<T>() => WorkflowExecutionContext.ServiceProvider.GetService<T>();

    /// <summary>The value of an input, evaluated once a run.</summary>
    public T? Get<T>(Input<T>? input)
    {
        if (input is null)
            return default;
        if (_activityState is null || !_activityState.TryGetValue(input.Name, out var value))
            return (T?)Evaluate(input);
        return value is T typed ? typed : ObjectConverter.ConvertTo<T>(value);
    }

    public void Set(Output? output, object? value)
    {
        if (output is null)
            return;
        (_outputs ??= new(StringComparer.Ordinal))[output.Name] = value;
        WorkflowExecutionContext.BindOutput(this, output, value);
    }

    public void SetResult(object? value)
    {
        if (Node.Descriptor.OutputOf(Activity, "Result") is { } output)
            Set(output, value);
        else
            (_outputs ??= new(StringComparer.Ordinal))["Result"] = value;
    }

    /// <summary>The value of the nearest variable of that name, or null.</summary>
    public T? GetVariable<T>(string name) => ObjectConverter.ConvertTo<T>(FindVariable(null, name)?.Value);

    /// <summary>Sets the nearest variable of that name; creates one on the nearest container when there is none.</summary>
    public void SetVariable(string name, object? value)
    {
        if (!TryAssignVariable(null, name, value))
            (ParentActivityExecutionContext ?? this).Declare(new VariableSlot(name, name, "Object", value));
    }

    public T? GetWorkflowInput<T>(string name) =>
        WorkflowInput.TryGetValue(name, out var value) ? ObjectConverter.ConvertTo<T>(value) : default;

    public T? GetProperty<T>(string name) =>
        _properties is null || !_properties.TryGetValue(name, out var value) ? default : value is T typed ? typed : ObjectConverter.ConvertTo<T>(value);

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
        WorkflowExecutionContext.ResumeLater(bookmark, delay);
    }

    /// <summary>
    /// Asks for a method of this activity to run when the instance is cancelled after this activity has completed: what was done
    /// is undone, the last first. The data comes back as <see cref="WorkflowInput"/>'s <c>Compensation</c>.
    /// </summary>
    public void OnCancelled(ExecuteActivityDelegate compensation, object? data = null)
    {
        ArgumentNullException.ThrowIfNull(compensation);
        WorkflowExecutionContext.AddCompensation(this, compensation, data);
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
            if (scope._slots?.Find(s => s.Id == id) is { } slot)
                return slot;
        }

        for (var scope = this; name is { Length: > 0 } && scope is not null; scope = scope.ParentActivityExecutionContext)
        {
            if (scope._slots?.Find(s => s.Name == name) is { } slot)
                return slot;
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

    internal void Declare(Variable variable) => Declare(VariableSlot.Of(variable));

    internal void Declare(VariableSlot slot)
    {
        _slots ??= [];
        _slots.RemoveAll(s => s.Id == slot.Id);
        _slots.Add(slot);
    }

    internal void ClearSlots() => _slots = null;

    internal void Restore(
        Dictionary<string, object?>? properties, Dictionary<string, object?>? activityState, List<VariableSlot>? slots)
    {
        _properties = properties;
        _activityState = activityState;
        _slots = slots;
    }

    /// <summary>What its execution record held at the last commit, so that the next one does not lose it.</summary>
    internal void RestoreRecord(Dictionary<string, object?>? outputs, Dictionary<string, object?>? journalData)
    {
        _outputs = outputs;
        _journalData = journalData;
    }

    /// <summary>Starts over in the same place: what the failed run left is forgotten, properties stay.</summary>
    internal void Reset()
    {
        Status = ActivityStatus.Pending;
        Exception = null;
        Outcomes = null;
        _activityState = null;
        _journalData = null;
        _outputs = null;
        CompletedAt = null;
        BookmarksCreated = 0;
    }

    internal void AddChild(ActivityExecutionContext child)
    {
        child.PreviousSibling = LastChild;
        if (LastChild is null)
            FirstChild = child;
        else
            LastChild.NextSibling = child;
        LastChild = child;
    }

    internal void RemoveChild(ActivityExecutionContext child)
    {
        if (child.PreviousSibling is null)
            FirstChild = child.NextSibling;
        else
            child.PreviousSibling.NextSibling = child.NextSibling;
        if (child.NextSibling is null)
            LastChild = child.PreviousSibling;
        else
            child.NextSibling.PreviousSibling = child.PreviousSibling;
        child.NextSibling = child.PreviousSibling = null;
    }
}

/// <summary>A completion callback: in memory the delegate, after a resume the name of the owner's method.</summary>
internal readonly record struct Callback(ActivityCompletionCallback? Method, string? Name)
{
    public bool IsSet => Method is not null || Name is not null;

    public ActivityCompletionCallback On(ActivityExecutionContext owner) =>
        Method ?? owner.Node.Descriptor.Bind<ActivityCompletionCallback>(owner.Activity, Name!);

    /// <summary>The name to store.</summary>
    /// <exception cref="InvalidOperationException">The callback is a lambda: its name is the compiler's and could not be found again.</exception>
    public string? NameFor(ActivityNode owner) => Name ?? (Method is null ? null : owner.NameOf(Method));
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
