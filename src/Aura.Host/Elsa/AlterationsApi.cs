using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra.Audit;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Elsa;

/// <summary>Changes by hand to instances: retry what faulted, set variables, skip, cancel or schedule activities, migrate.</summary>
internal static class AlterationsApi
{
    private const int MaxRun = 100;

    public static void MapAlterations(RouteGroupBuilder api)
    {
        var group = api.MapGroup("/alterations").RequireAuthorization(Permissions.RunWorkflows);
        group.MapPost("/run", RunAsync);
        group.MapPost("/submit", SubmitAsync);
        group.MapPost("/dry-run", DryRunAsync);
        group.MapPost("/workflows/retry", RetryAsync);
        api.MapGet("/alterations/{id}", GetAsync);
    }

    private static async Task<IResult> RunAsync(HttpContext http, ElsaRequest request, InstanceControl control, CancellationToken cancellationToken)
    {
        var alterations = Alterations(request);
        var ids = request.Texts("workflowInstanceIds").Distinct().ToList();
        if (ids.Count is 0 or > MaxRun)
            request.Refuse("workflowInstanceIds", $"names {ids.Count} instances; name 1 to {MaxRun}, or submit a plan for more.");
        if (request.Refusal is { } refusal)
            return refusal;
        var actor = Actor.Of(http);
        return await RefusableAsync(async () =>
        {
            var results = await control.AlterAsync(
                ids, alterations, actor, [Audit(actor, "workflow.alter", ids, alterations)], InstancesApi.LongestChange, cancellationToken);
            return Json(new { results = results.Select(Result) });
        });
    }

    private static async Task<IResult> SubmitAsync(
        HttpContext http, ElsaRequest request, InstanceStore instances, InstanceControl control, CancellationToken cancellationToken)
    {
        var alterations = Alterations(request);
        var filter = request.Object("filter");
        if (filter is null)
            request.Refuse("filter", "is missing.");
        var selection = filter is null ? null : Selection(filter);
        if (request.Refusal is { } refusal)
            return refusal;
        var ids = await instances.ListIdsAsync(selection!, InstanceControl.MaxInstances + 1, cancellationToken);
        if (ids.Count > InstanceControl.MaxInstances)
            return ElsaProblem.Refused($"filter: selects more than {InstanceControl.MaxInstances} instances. Narrow it, and submit it once more for the rest.");
        var actor = Actor.Of(http);
        return await RefusableAsync(async () => Json(new
        {
            planId = await control.SubmitAsync(
                ids, alterations, request.Json("filter"), actor, [Audit(actor, "workflow.alter", ids, alterations)], cancellationToken),
        }));
    }

    private static async Task<IResult> DryRunAsync(ElsaRequest request, InstanceStore instances, CancellationToken cancellationToken)
    {
        var selection = Selection(request.Object("filter") ?? request);
        return request.Refusal ?? Json(new { workflowInstanceIds = await instances.ListIdsAsync(selection, InstanceControl.MaxInstances, cancellationToken) });
    }

    private static async Task<IResult> RetryAsync(HttpContext http, ElsaRequest request, InstanceControl control, CancellationToken cancellationToken)
    {
        var ids = request.Texts("workflowInstanceIds").Distinct().ToList();
        var activityIds = request.Texts("activityIds").Select(RunId.Own).ToList();
        if (ids.Count is 0 or > 1000)
            request.Refuse("workflowInstanceIds", $"names {ids.Count} instances; name 1 to 1000.");
        if (request.Refusal is { } refusal)
            return refusal;
        var actor = Actor.Of(http);
        var results = await control.RetryAsync(
            ids, activityIds.Count > 0 ? activityIds : null, actor,
            id => AuditLog.Record(actor, "workflow.retry", details: new { instance_ids = new[] { id }, activity_ids = activityIds }), cancellationToken);
        return Json(new { results = results.Select(Result) });
    }

    private static async Task<IResult> GetAsync(string id, InstanceControl control, CancellationToken cancellationToken)
    {
        if (await control.ReadPlanAsync(id, cancellationToken) is not var (plan, jobs))
            return ElsaProblem.NotFound($"There is no alteration plan '{id}'. Plans are kept for 30 days.");
        var isDone = jobs.All(j => !j.IsPending);
        return Json(new
        {
            plan = new
            {
                plan.Id,
                plan.Alterations,
                workflowInstanceIds = plan.InstanceIds,
                status = isDone ? "Completed" : "Running",
                plan.CreatedAt,
                startedAt = plan.CreatedAt,
                completedAt = isDone ? jobs.SelectMany(j => j.Log).Select(l => (DateTimeOffset?)l.Timestamp).Max() : null,
                actor = plan.Actor,
            },
            jobs = jobs.Select(j => new
            {
                id = $"{plan.Id}-{j.InstanceId}",
                planId = plan.Id,
                workflowInstanceId = j.InstanceId,
                status = j.IsPending ? "Pending" : j.IsSuccessful ? "Completed" : "Failed",
                log = j.Log.Select(Line),
                plan.CreatedAt,
            }),
        });
    }

    /// <summary>The engine's ids of runs, whatever form they were given in.</summary>
    private static List<JsonElement> Alterations(ElsaRequest request)
    {
        if (request.Objects("alterations").Count == 0)
            request.Refuse("alterations", "is missing: give a list of objects with a 'type'.");
        return request.Json("alterations") is { ValueKind: JsonValueKind.Array } list
            ? [.. list.EnumerateArray().Where(a => a.ValueKind == JsonValueKind.Object).Select(WithOwnRunId)]
            : [];
    }

    private static JsonElement WithOwnRunId(JsonElement alteration) => JsonSerializer.SerializeToElement(alteration.EnumerateObject().ToDictionary(
        m => m.Name,
        m => m.Name.Equals("activityInstanceId", StringComparison.OrdinalIgnoreCase) && m.Value.ValueKind == JsonValueKind.String
            ? JsonSerializer.SerializeToElement(RunId.Own(m.Value.GetString()!))
            : m.Value));

    /// <summary>As in Elsa, an empty filter selects nothing unless it says that it selects all.</summary>
    private static InstanceFilter Selection(ElsaRequest request)
    {
        if (request.Json("activityFilters") is { ValueKind: JsonValueKind.Array } activities && activities.GetArrayLength() > 0)
            request.Refuse("activityFilters", "are not supported. Select by definition, status, incidents, ids or times.");
        var filter = InstanceRequests.ReadFilter(request);
        var isEmpty = filter is
        {
            Ids.Count: 0, DefinitionIds.Count: 0, DefinitionVersionIds.Count: 0, CorrelationIds.Count: 0, Names.Count: 0, ParentInstanceIds.Count: 0,
            Statuses.Count: 0, SubStatuses.Count: 0, Timestamps.Count: 0, Version: null, HasIncidents: null, IsSystem: null, SearchTerm: null,
        };
        return isEmpty && request.Flag("emptyFilterSelectsAll") != true ? filter with { Ids = [""] } : filter;
    }

    private static async Task<IResult> RefusableAsync(Func<Task<IResult>> change)
    {
        try
        {
            return await change();
        }
        catch (ArgumentException e)
        {
            return ElsaProblem.Refused("alterations: " + e.Message.Split(" (Parameter", 2)[0]);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // A faulted instance whose place another one has taken.
            return ElsaProblem.Conflict(e.MessageText);
        }
    }

    private static NpgsqlBatchCommand Audit(string actor, string action, IReadOnlyList<string> ids, List<JsonElement> alterations) =>
        AuditLog.Record(actor, action, details: new
        {
            instance_ids = ids,
            alterations = alterations.Select(a => a.TryGetProperty("type", out var type) ? type.ToString() : null),
        });

    private static object Result(AlterationResult result) => new
    {
        workflowInstanceId = result.InstanceId,
        result.IsSuccessful,
        result.IsPending,
        log = new { logEntries = result.Log.Select(Line) },
    };

    private static object Line(AlterationLogLine line) => new { line.Message, logLevel = line.IsError ? "Error" : "Information", line.Timestamp };

    private static IResult Json(object value) => Results.Json(value, ElsaApi.Json);
}
