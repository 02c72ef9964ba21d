using System.Text.Json;

namespace Aura.Workflows;

/// <summary>One step of a workflow. Instances are shared by all runs of a definition: state belongs into the context.</summary>
public interface IActivity
{
    string Id { get; set; }
    string? Name { get; set; }

    /// <summary>The type name in JSON, for example <c>Elsa.WriteLine</c>.</summary>
    string Type { get; set; }

    int Version { get; set; }

    /// <summary>Free settings such as <c>canStartWorkflow</c>, <c>runAsynchronously</c>, <c>mergeMode</c>.</summary>
    IDictionary<string, JsonElement> CustomProperties { get; }

    ValueTask<bool> CanExecuteAsync(ActivityExecutionContext context);

    ValueTask ExecuteAsync(ActivityExecutionContext context);
}

/// <summary>Base of activities that complete themselves (<see cref="ActivityExecutionContext.CompleteActivityAsync"/>).</summary>
public abstract class Activity : IActivity
{
    public string Id { get; set; } = "";
    public string? Name { get; set; }
    public string Type { get; set; } = "";
    public int Version { get; set; } = 1;
    public IDictionary<string, JsonElement> CustomProperties { get; } = new Dictionary<string, JsonElement>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Of a trigger: whether it starts the workflow.</summary>
    public bool CanStartWorkflow
    {
        get => Flag("canStartWorkflow");
        set => CustomProperties["canStartWorkflow"] = JsonSerializer.SerializeToElement(value);
    }

    /// <summary>Of kind Task: whether it runs as a durable task.</summary>
    public bool RunAsynchronously
    {
        get => Flag("runAsynchronously");
        set => CustomProperties["runAsynchronously"] = JsonSerializer.SerializeToElement(value);
    }

    private bool Flag(string name) => CustomProperties.TryGetValue(name, out var flag) && flag.ValueKind == JsonValueKind.True;

    protected virtual bool CanExecute(ActivityExecutionContext context) => true;

    protected virtual ValueTask<bool> CanExecuteAsync(ActivityExecutionContext context) => ValueTask.FromResult(CanExecute(context));

    protected virtual void Execute(ActivityExecutionContext context)
    {
    }

    protected virtual ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        Execute(context);
        return ValueTask.CompletedTask;
    }

    ValueTask<bool> IActivity.CanExecuteAsync(ActivityExecutionContext context) => CanExecuteAsync(context);

    ValueTask IActivity.ExecuteAsync(ActivityExecutionContext context) => ExecuteCoreAsync(context);

    internal virtual ValueTask ExecuteCoreAsync(ActivityExecutionContext context) => ExecuteAsync(context);
}

/// <summary>Base of activities that are done when their method returns, unless it made a bookmark or completed with outcomes.</summary>
public abstract class CodeActivity : Activity
{
    internal override async ValueTask ExecuteCoreAsync(ActivityExecutionContext context)
    {
        var before = context.BookmarksCreated;
        await ExecuteAsync(context);
        if (context.Status == ActivityStatus.Running && context.BookmarksCreated == before)
            await context.CompleteActivityAsync();
    }
}

/// <inheritdoc />
public abstract class CodeActivity<T> : CodeActivity
{
    [Output(Description = "The value that it gives.")]
    public Output<T>? Result { get; set; }
}

/// <summary>Marks activities that may start a workflow.</summary>
public interface ITrigger : IActivity
{
    /// <summary>What starts the workflow here. Asked when the workflow is published; an exception is a validation error.</summary>
    ValueTask<IEnumerable<TriggerPayload>> GetTriggerPayloadsAsync(TriggerIndexingContext context);
}

/// <summary>A terminal activity completes the flowchart or sequence that holds it.</summary>
internal interface ITerminal;

/// <summary>A container that declares variables for what it holds.</summary>
public interface IVariableContainer
{
    ICollection<Variable> Variables { get; set; }
}
