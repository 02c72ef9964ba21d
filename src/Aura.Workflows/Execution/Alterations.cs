using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Workflows;

/// <summary>
/// Changes that a person makes to an instance, applied by the burst that owns it, in the shapes of Elsa's alterations:
/// <c>{"type": "ModifyVariable", "variableId", "value"}</c>, <c>{"type": "ScheduleActivity" | "CancelActivity", "activityId" | "activityInstanceId"}</c>,
/// <c>{"type": "Cancel"}</c>; and, beyond Elsa, <c>{"type": "SkipActivity", "activityId", "outcomes"?}</c>, which completes an activity that waits or
/// faulted. <c>Migrate</c> changes the graph and is applied before the instance is built (<see cref="TargetVersion"/>).
/// An alteration that does not fit changes nothing and stands in the journal as <c>Alteration Failed</c>.
/// </summary>
internal static class Alterations
{
    public const string Migrate = "Migrate";
    public const string ModifyVariable = "ModifyVariable";
    public const string ScheduleActivity = "ScheduleActivity";
    public const string CancelActivity = "CancelActivity";
    public const string SkipActivity = "SkipActivity";
    public const string Cancel = "Cancel";

    public static readonly IReadOnlyList<string> Types = [Migrate, ModifyVariable, ScheduleActivity, CancelActivity, SkipActivity, Cancel];

    /// <summary>The version that a migration among the messages asks for.</summary>
    public static int? TargetVersion(IEnumerable<Message> messages)
    {
        int? target = null;
        foreach (var message in messages.Where(m => m.Kind == MessageKind.Alter && m.Payload is { } p && p.Text("type") == Migrate))
        {
            if (message.Payload!.Value.Member("targetVersion") is { ValueKind: JsonValueKind.Number } version)
                target = version.GetInt32();
        }

        return target;
    }

    public static async ValueTask ApplyAsync(WorkflowExecutionContext workflow, JsonElement alteration)
    {
        var type = alteration.Text("type");
        if (workflow.Root is not { } root)
            return;
        try
        {
            await ApplyAsync(workflow, root, type, alteration);
            workflow.Log(root, "Altered", type, alteration);
        }
        // Applied; whoever holds the activity could not go on from there.
        catch (CallbackFaultException e)
        {
            workflow.Log(root, "Altered", type, alteration);
            workflow.Fault(root, e);
        }
        catch (Exception e) when (e is InvalidOperationException or Expressions.ValueConversionException)
        {
            workflow.Log(root, "Alteration Failed", e.Message, alteration);
        }
    }

    private static async ValueTask ApplyAsync(WorkflowExecutionContext workflow, ActivityExecutionContext root, string? type, JsonElement alteration)
    {
        switch (type)
        {
            case Migrate:
                var wanted = alteration.Member("targetVersion")?.GetRawText();
                if (workflow.Graph.Definition.Version.ToString(System.Globalization.CultureInfo.InvariantCulture) != wanted)
                    throw new InvalidOperationException(
                        $"Version {wanted} does not hold every place where the instance stands; it stays on version {workflow.Graph.Definition.Version}.");
                break;
            case ModifyVariable:
                var id = alteration.Text("variableId");
                var value = alteration.Member("value") is { } given ? WorkflowJson.ToPlain(given) : null;
                if (!workflow.Contexts.Any(c => c.Slots.Any(s => s.Id == id || s.Name == id) && c.TryAssignVariable(id, id, value)))
                    throw new InvalidOperationException($"The instance has no variable '{id}'.");
                break;
            case ScheduleActivity:
                await ScheduleAsync(workflow, alteration);
                break;
            case CancelActivity:
                await CancelAsync(workflow, Find(workflow, alteration));
                break;
            case SkipActivity:
                await SkipAsync(workflow, Find(workflow, alteration), alteration);
                break;
            case Cancel:
                await workflow.CancelWorkflowAsync();
                break;
            default:
                throw new InvalidOperationException($"There is no alteration '{type}'. Known: {string.Join(", ", Types)}.");
        }
    }

    private static async ValueTask ScheduleAsync(WorkflowExecutionContext workflow, JsonElement alteration)
    {
        if (TryFind(workflow, alteration) is { } context)
        {
            if (context.Status is ActivityStatus.Faulted)
            {
                await workflow.RetryAsync([context.Id]);
                return;
            }

            throw new InvalidOperationException($"Activity '{context.Activity.Id}' is under way already.");
        }

        var id = alteration.Text("activityId") ?? throw new InvalidOperationException("The alteration names no activity.");
        var node = workflow.Graph.FindById(id) ?? throw new InvalidOperationException($"The workflow has no activity '{id}', or several.");
        var owner = workflow.Contexts.FirstOrDefault(c => c.Node == node.Parent && c.Status == ActivityStatus.Running)
            ?? throw new InvalidOperationException($"What holds activity '{id}' is not running.");
        Revive(workflow);
        workflow.Enqueue(new(node, owner, null, null, CompletionOf(owner)));
    }

    private static ValueTask CancelAsync(WorkflowExecutionContext workflow, ActivityExecutionContext context)
    {
        // Without what had faulted the others go on.
        if (context.Status == ActivityStatus.Faulted)
        {
            Revive(workflow);
            workflow.ForgetIncidents(context);
        }

        return workflow.CancelAsync(context);
    }

    private static async ValueTask SkipAsync(WorkflowExecutionContext workflow, ActivityExecutionContext context, JsonElement alteration)
    {
        var outcomes = ((JsonElement?)(alteration.Member("outcomes") ?? default)).Items().Select(o => o.GetString() ?? "").ToArray();
        Revive(workflow);
        workflow.ForgetIncidents(context);
        if (context.HasTask)
            workflow.Outbox.CancelledTaskOwners.Add(context.Id);
        context.Status = ActivityStatus.Running;
        await workflow.CompleteAsync(context, outcomes.Length == 0 ? Outcomes.Default : new(outcomes));
    }

    /// <summary>The callback with which the owner schedules its children; every container here has exactly one.</summary>
    private static Callback CompletionOf(ActivityExecutionContext owner) =>
        owner.Children.Select(c => c.Completed).FirstOrDefault(c => c.IsSet) is { IsSet: true } known
            ? known
            : new(null, owner.Node.Descriptor.FindCallback<ActivityCompletionCallback>());

    private static void Revive(WorkflowExecutionContext workflow)
    {
        if (workflow is { Status: WorkflowStatus.Finished, SubStatus: WorkflowSubStatus.Faulted })
        {
            workflow.Status = WorkflowStatus.Running;
            workflow.SubStatus = WorkflowSubStatus.Executing;
        }
    }

    private static ActivityExecutionContext Find(WorkflowExecutionContext workflow, JsonElement alteration) => TryFind(workflow, alteration)
        ?? throw new InvalidOperationException(
            $"Activity '{alteration.Text("activityInstanceId") ?? alteration.Text("activityId")}' is not under way in this instance.");

    private static ActivityExecutionContext? TryFind(WorkflowExecutionContext workflow, JsonElement alteration) =>
        alteration.Text("activityInstanceId") is { } run
            ? workflow.FindContext(run)
            : workflow.Contexts.FirstOrDefault(c => c.Activity.Id == alteration.Text("activityId"));
}
