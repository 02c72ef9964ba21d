using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>The runs of an instance's activities: node badges, lists, one run with all it held, and what holds it.</summary>
internal static class ActivityExecutionsApi
{
    /// <summary>Of an activity that ran more often a list shows the latest runs; its count is of all.</summary>
    private const int MaxRuns = 1000;

    public static void MapActivityExecutions(RouteGroupBuilder api)
    {
        api.MapPost("/activity-executions/report", ReportAsync);
        api.MapGet(
            "/activity-executions/list",
            (ElsaRequest request, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken) =>
                ListAsync(request, instances, definitions, InstanceViews.Execution, cancellationToken));
        api.MapGet(
            "/activity-execution-summaries/list",
            (ElsaRequest request, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken) =>
                ListAsync(request, instances, definitions, InstanceViews.ExecutionSummary, cancellationToken));
        api.MapGet("/activity-executions/by-id", (string? id, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken) =>
            GetAsync(id ?? "", instances, definitions, cancellationToken));
        api.MapGet("/activity-executions/{id}", GetAsync);
        api.MapGet("/activity-executions/{id}/call-stack", CallStackAsync);
    }

    private static async Task<IResult> ReportAsync(ElsaRequest request, InstanceStore instances, CancellationToken cancellationToken)
    {
        var instanceId = Instance(request);
        var nodeIds = request.Texts("activityNodeIds");
        if (request.Refusal is { } refusal)
            return refusal;
        var stats = await instances.ReadStatsAsync(instanceId, nodeIds, cancellationToken);
        // Of an instance that has done nothing yet, too: it must be there.
        if (stats.Count == 0 && await instances.FindAsync(instanceId, cancellationToken) is null)
            return InstancesApi.NoInstance(instanceId);
        return Json(new { stats = stats.Select(InstanceViews.Stats) });
    }

    private static async Task<IResult> ListAsync(
        ElsaRequest request, InstanceStore instances, DefinitionStore definitions,
        Func<ActivityExecution, Func<string, int>, Dictionary<string, object?>> view, CancellationToken cancellationToken)
    {
        var instanceId = Instance(request);
        IReadOnlyList<string> nodeIds = [.. request.Texts("activityNodeId"), .. request.Texts("activityNodeIds")];
        var completed = request.Flag("completed");
        var take = Math.Min(request.Number("take", 1, int.MaxValue) ?? MaxRuns, MaxRuns);
        if (request.Refusal is { } refusal)
            return refusal;
        if (await instances.FindAsync(instanceId, cancellationToken) is not { } instance)
            return InstancesApi.NoInstance(instanceId);
        var versions = await InstancesApi.VersionsAsync(definitions, instance.DefinitionVersionId, cancellationToken);
        var runs = await instances.ReadExecutionsAsync(instanceId, nodeIds, completed, take, cancellationToken);
        return Json(new { items = runs.Items.Select(r => view(r, versions)), count = runs.TotalCount });
    }

    private static async Task<IResult> GetAsync(string id, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        if (RunId.Read(id) is not var (instanceId, run)
            || await instances.FindExecutionAsync(instanceId, run, cancellationToken) is not { } execution
            || await instances.FindAsync(instanceId, cancellationToken) is not { } instance)
            return NoRun(id);
        return Json(InstanceViews.Execution(execution, await InstancesApi.VersionsAsync(definitions, instance.DefinitionVersionId, cancellationToken)));
    }

    private static async Task<IResult> CallStackAsync(
        string id, ElsaRequest request, InstanceStore instances, DefinitionStore definitions, CancellationToken cancellationToken)
    {
        var crosses = request.Flag("includeCrossWorkflowChain") ?? true;
        var page = PageRequest.Read(request, MaxRuns, MaxRuns);
        if (request.Refusal is { } refusal)
            return refusal;
        var items = new List<object>();
        var next = RunId.Read(id);
        // A child workflow's chain goes on with the activity of its parent that waits for it. Parents of parents: as deep as anybody nests.
        for (var depth = 0; next is var (instanceId, run) && depth < 50; depth++)
        {
            var chain = await instances.ReadCallStackAsync(instanceId, run, cancellationToken);
            if (chain.Count == 0 || await instances.FindAsync(instanceId, cancellationToken) is not { } instance)
                break;
            var versions = await InstancesApi.VersionsAsync(definitions, instance.DefinitionVersionId, cancellationToken);
            items.InsertRange(0, chain.Select(e => InstanceViews.Execution(e, versions)));
            next = crosses ? await instances.FindWaitingParentAsync(instanceId, cancellationToken) : null;
        }

        return items.Count == 0
            ? NoRun(id)
            : Json(new { activityExecutionId = id, items = items.Skip(page.Skip).Take(page.Take), totalCount = items.Count });
    }

    private static string Instance(ElsaRequest request)
    {
        var id = request.Text("workflowInstanceId");
        if (id is null)
            request.Refuse("workflowInstanceId", "is missing.");
        return id ?? "";
    }

    private static IResult NoRun(string id) => ElsaProblem.NotFound($"There is no activity execution '{id}'. Take ids from /activity-executions/list.");

    private static IResult Json(object value) => Results.Json(value, ElsaApi.Json);
}
