using Aura.Host.Security;
using Aura.Orchestra.Audit;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Elsa;

/// <summary>Starts workflows, and wakes those that wait: execute, dispatch, events, task answers, bookmarks.</summary>
internal static class ExecutionApi
{
    public const string InstanceHeader = "x-elsa-workflow-instance-id";
    public const string CannotStartHeader = "x-elsa-workflow-cannot-start";

    /// <summary>A caller of execute waits no longer; the workflow goes on.</summary>
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(30);

    private const int MaxStarts = 1000;
    private const int MaxIdLength = 200;

    public static void MapExecution(RouteGroupBuilder api)
    {
        var group = api.MapGroup("").RequireAuthorization(Permissions.RunWorkflows);
        group.MapPost("/workflow-definitions/{definitionId}/execute", ExecuteAsync);
        group.MapGet("/workflow-definitions/{definitionId}/execute", ExecuteAsync);
        group.MapPost("/workflow-definitions/{definitionId}/dispatch", DispatchAsync);
        group.MapPost("/workflow-definitions/{definitionId}/bulk-dispatch", BulkDispatchAsync);
        group.MapPost("/events/{name}/trigger", TriggerEventAsync);
        group.MapPost("/tasks/{taskId}/complete", CompleteTaskAsync);
        group.MapPost("/bookmarks/resume", ResumeAsync);
    }

    private static async Task ExecuteAsync(
        string definitionId, HttpContext http, ElsaRequest request, WorkflowExecutor executor, DefinitionStore definitions,
        CancellationToken cancellationToken)
    {
        var (start, answer) = await ReadStartAsync(definitionId, "workflow.execute", http, request, definitions, cancellationToken);
        if (start is not null)
            answer = await RunAsync(definitionId, start, http, executor, cancellationToken);
        if (answer is not null)
            await answer.ExecuteAsync(http);
    }

    /// <returns>Null when the workflow has written the answer itself.</returns>
    private static async Task<IResult?> RunAsync(
        string definitionId, StartRequest start, HttpContext http, WorkflowExecutor executor, CancellationToken cancellationToken)
    {
        WorkflowExecution run;
        try
        {
            run = await executor.ExecuteAsync(definitionId, start.Input, start.Options, LongestRun, cancellationToken);
        }
        catch (Exception e) when (Refused(e, start) is { } refusal)
        {
            return refusal;
        }

        http.Response.Headers[CannotStartHeader] = run.InstanceId is null ? "True" : "False";
        if (run.InstanceId is null)
            return Results.Ok();
        http.Response.Headers[InstanceHeader] = run.InstanceId;
        if (run.IsAnswered)
        {
            http.Response.Headers["x-elsa-response"] = "true";
            await run.WriteAnswerAsync(http);
            return null;
        }

        if (run.Instance is not { } instance)
            return Results.Ok();
        return Results.Json(
            new { workflowState = InstanceViews.State(instance) }, ElsaApi.Json,
            statusCode: instance.Summary.SubStatus == WorkflowSubStatus.Faulted ? StatusCodes.Status500InternalServerError : StatusCodes.Status200OK);
    }

    private static async Task<IResult> DispatchAsync(
        string definitionId, HttpContext http, ElsaRequest request, DefinitionStore definitions, WorkflowClient client,
        CancellationToken cancellationToken)
    {
        var (start, problem) = await ReadStartAsync(definitionId, "workflow.dispatch", http, request, definitions, cancellationToken);
        if (start is null)
            return problem!;
        try
        {
            var id = await client.StartAsync(definitionId, start.Input, start.Options, cancellationToken);
            http.Response.Headers[CannotStartHeader] = id is null ? "True" : "False";
            return id is null ? NotActivated(definitionId) : Json(new { workflowInstanceId = id });
        }
        catch (Exception e) when (Refused(e, start) is { } refusal)
        {
            return refusal;
        }
    }

    private static async Task<IResult> BulkDispatchAsync(
        string definitionId, HttpContext http, ElsaRequest request, DefinitionStore definitions, WorkflowClient client,
        CancellationToken cancellationToken)
    {
        var (start, problem) = await ReadStartAsync(
            definitionId, "workflow.dispatch", http, request, definitions, cancellationToken, takesInstanceId: false);
        if (start is null)
            return problem!;
        // They go out together, in a few commits.
        var ids = await Task.WhenAll(Enumerable.Range(0, start.Count).Select(_ => client.StartAsync(definitionId, start.Input, start.Options, cancellationToken)));
        var started = ids.OfType<string>().ToList();
        http.Response.Headers[CannotStartHeader] = started.Count == 0 ? "True" : "False";
        return started.Count == 0 ? NotActivated(definitionId) : Json(new { workflowInstanceIds = started });
    }

    private static async Task<IResult> TriggerEventAsync(
        string name, HttpContext http, ElsaRequest request, WorkflowClient client, InstanceStore instances, CancellationToken cancellationToken)
    {
        var correlationId = request.Text("correlationId");
        var instanceId = request.Text("workflowInstanceId");
        var activityId = request.Text("activityInstanceId");
        // Both are the same here: an event is a row before the answer, and the workflows run on whatever host has room.
        _ = request.Choice<ExecutionMode>("workflowExecutionMode");
        object? payload = request.Json("input") is { } input ? WorkflowJson.ToPlain(input) : null;
        var run = activityId is null ? null : instanceId is not null ? (instanceId, RunId.Own(activityId)) : RunId.Read(activityId);
        if (activityId is not null && run is null)
            request.Refuse("activityInstanceId", "is not an id from /activity-executions/list.");
        if (request.Refusal is { } refusal)
            return refusal;
        if (instanceId is not null && await instances.FindAsync(instanceId, cancellationToken) is null)
            return InstancesApi.NoInstance(instanceId);
        var audit = Audit(http, "workflow.event", new { @event = name, correlation_id = correlationId, instance_id = instanceId });
        if (run is var (instance, activity))
        {
            return await client.ExecuteAsync([client.PrepareEventToActivity(instance, activity, name, payload)], [audit], cancellationToken) > 0
                ? Results.Ok()
                : ElsaProblem.NotFound($"Activity execution '{activityId}' does not wait for the event '{name}'.");
        }

        await client.ExecuteAsync(
            [instanceId is null ? client.PrepareEvent(name, payload, correlationId) : client.PrepareEventTo(instanceId, name, payload)], [audit],
            cancellationToken);
        return Results.Ok();
    }

    private static async Task<IResult> CompleteTaskAsync(
        string taskId, HttpContext http, ElsaRequest request, WorkflowClient client, CancellationToken cancellationToken)
    {
        object? result = request.Json("result") is { } given ? WorkflowJson.ToPlain(given) : null;
        var audit = Audit(http, "workflow.complete-task", new { task_id = taskId });
        return await client.ExecuteAsync([client.PrepareTaskAnswer(taskId, result)], [audit], cancellationToken) > 0
            ? Results.Ok()
            : ElsaProblem.NotFound($"No workflow waits for task '{taskId}'. It may have been completed or cancelled.");
    }

    private static async Task<IResult> ResumeAsync(HttpContext http, ElsaRequest request, WorkflowClient client, CancellationToken cancellationToken)
    {
        if (http.Request.Query.ContainsKey("t"))
            return ElsaProblem.Refused("t: this host issues no resume tokens. Send {\"bookmarkId\", \"input\"} with your own credentials.");
        var id = request.Text("bookmarkId");
        var input = request.Map("input");
        if (id is null)
            request.Refuse("bookmarkId", "is missing.");
        if (request.Refusal is { } refusal)
            return refusal;
        return await client.ExecuteAsync([client.PrepareResume(id!, input)], [Audit(http, "workflow.resume", new { bookmark_id = id })], cancellationToken) > 0
            ? Results.Ok()
            : ElsaProblem.NotFound($"There is no bookmark '{id}'. It may have been resumed already.");
    }

    private static async Task<(StartRequest? Start, IResult? Problem)> ReadStartAsync(
        string definitionId, string action, HttpContext http, ElsaRequest request, DefinitionStore definitions,
        CancellationToken cancellationToken, bool takesInstanceId = true)
    {
        var actor = Actor.Of(http);
        var isGet = HttpMethods.IsGet(http.Request.Method);
        foreach (var name in (string[])["variables", "activityHandle"])
        {
            if (request.Json(name) is { } value && value.ToString() is not ("" or "{}" or "[]"))
                request.Refuse(name, "is not supported. Give the workflow input, or a triggerActivityId.");
        }

        var version = InstancesApi.ReadVersion(request) ?? VersionOptions.Published;
        var input = isGet ? QueryInput(request) : request.Map("input");
        var trigger = request.Text("triggerActivityId");
        var instanceId = takesInstanceId ? request.Text("instanceId") ?? request.Text("workflowInstanceId") : null;
        if (instanceId is { Length: > MaxIdLength } || instanceId?.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')) == true)
            request.Refuse("instanceId", $"may have up to {MaxIdLength} letters, digits, hyphens, underscores and dots.");
        var count = request.Number("count", 1, MaxStarts) ?? 1;
        if (request.Refusal is { } refusal)
            return (null, refusal);
        if (await definitions.FindAsync(definitionId, version, cancellationToken) is not { } definition)
        {
            return (null, await definitions.FindAsync(definitionId, VersionOptions.AllVersions, cancellationToken) is null
                ? ElsaProblem.NotFound($"There is no workflow definition '{definitionId}'.")
                : ElsaProblem.NotFound($"Workflow '{definitionId}' has no version '{version}'. Publish it, or name another version in versionOptions."));
        }

        try
        {
            var graph = await definitions.GraphAsync(definition.Id, cancellationToken);
            if (trigger is not null && !graph.Holds(trigger))
                return (null, ElsaProblem.Refused($"triggerActivityId: workflow '{definitionId}' has no activity '{trigger}'."));
        }
        catch (InvalidDefinitionException e)
        {
            return (null, ElsaProblem.Refused($"Workflow '{definitionId}' cannot run: {e.Message}"));
        }

        return (new(input, count, new()
        {
            CorrelationId = request.Text("correlationId"),
            Name = request.Text("name"),
            TriggerActivityId = trigger,
            InstanceId = instanceId,
            VersionId = definition.Id,
            Along = id => AuditLog.RecordStart(actor, action, id, new { definition_id = definitionId, instance_ids = new[] { id } }),
        }), null);
    }

    private static IReadOnlyDictionary<string, object?> QueryInput(ElsaRequest request)
    {
        if (request.Text("input") is not { } text)
            return new Dictionary<string, object?>();
        try
        {
            if (System.Text.Json.JsonElement.Parse(text) is { ValueKind: System.Text.Json.JsonValueKind.Object } map)
                return map.EnumerateObject().ToDictionary(m => m.Name, m => WorkflowJson.ToPlain(m.Value));
        }
        catch (System.Text.Json.JsonException)
        {
            // Said below.
        }

        request.Refuse("input", "must be a JSON object.");
        return new Dictionary<string, object?>();
    }

    private static IResult? Refused(Exception exception, StartRequest start) =>
        (exception as PostgresException ?? exception.InnerException) is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation }
            ? ElsaProblem.Conflict($"There is an instance '{start.Options.InstanceId}'. Choose another instanceId, or none.")
            : null;

    private static IResult NotActivated(string definitionId) =>
        ElsaProblem.Conflict($"Workflow '{definitionId}' was not started: its activation strategy allows no further instance now.");

    private static NpgsqlBatchCommand Audit(HttpContext http, string action, object details) =>
        AuditLog.Record(Actor.Of(http), action, details: details);

    private static IResult Json(object value) => Results.Json(value, ElsaApi.Json);

    private sealed record StartRequest(IReadOnlyDictionary<string, object?> Input, int Count, StartOptions Options);

    private enum ExecutionMode
    {
        Asynchronous,
        Synchronous,
    }
}
