using System.Text.Json;
using Aura.Host.Security;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Host.Api;

/// <summary>The models, with what they did in the last 30 days: all on one page, there are few. Workers register those that they serve.</summary>
internal static class ModelsApi
{
    public const string Where = "GET /models lists them.";
    private const int MaxBodyBytes = 16 << 10;
    private static readonly string[] Kinds = ["local", "cloud", "cli"];

    public static void MapModels(IEndpointRouteBuilder app)
    {
        app.MapGet("/models", async (ModelStore models, CancellationToken cancellationToken) =>
            Results.Json(new Page<ModelItem>([.. (await models.ListAsync(cancellationToken)).Select(ModelItem.Of)], null), AuraApi.Json))
            .RequireAuthorization(Permissions.ReadModels);
        app.MapPost("/models/{name}/register", RegisterAsync).RequireAuthorization(Permissions.WorkOnJobs);
        app.MapPatch("/models/{name}", ChangeAsync).RequireAuthorization(Permissions.RunOrganisation);
    }

    /// <summary>A slash in a name stays escaped on its way here.</summary>
    internal static string NameOf(string segment) => segment.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);

    private static async Task<IResult> RegisterAsync(
        string name, HttpContext http, ModelStore models, NpgsqlDataSource db, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        name = NameOf(name);
        var errors = new FieldErrors();
        if (name.Length > 200 || name.Any(char.IsControl) || name != name.Trim())
            errors.Add("name", "must have 1 to 200 characters, none of them a control character, and no space at either end.");
        var fields = new FieldReader(body.Root, "", errors, "backend", "kind", "endpoint", "capabilities", "roles", "cost_per_attempt", "worker");
        var backend = fields.Text("backend", 50, required: true);
        if (backend is not null && !EmployeeBackends.Names.Contains(backend, StringComparer.Ordinal))
            errors.Add("backend", $"'{backend}' is no backend. Known: {string.Join(", ", EmployeeBackends.Names)}.");
        var kind = fields.Text("kind", 20) ?? (backend == EmployeeBackends.OpenAi || backend == EmployeeBackends.Gemini ? "cloud" : backend == "cli" ? "cli" : "local");
        if (!Kinds.Contains(kind, StringComparer.Ordinal))
            errors.Add("kind", $"'{kind}' is no kind. Known: {string.Join(", ", Kinds)}.");
        var endpoint = fields.Text("endpoint", 2000);
        if (endpoint is not null && !(Uri.TryCreate(endpoint, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0))
            errors.Add("endpoint", "must be an http or https address without a user or password in it.");
        var capabilities = Texts(fields, "capabilities");
        var roles = Texts(fields, "roles");
        var cost = Cost(body.Root, errors);
        var worker = fields.Text("worker", WorkerNames.MaxLength) ?? Actor.Of(http);
        if (errors.Any)
            return errors.ToResult();
        if ((await models.BackendsAsync([name], cancellationToken)).TryGetValue(name, out var known) && known != backend)
        {
            return Problems.Conflict("The model belongs to another backend",
                $"'{name}' is known with the backend '{known}'. Register it under a name of its own, for example '{backend}/{name}'.");
        }

        await db.CommitAsync([
            ModelChanges.Ensure(name, kind, endpoint, backend!), ModelChanges.Terms(name, roles, capabilities, cost),
            ModelChanges.Seen(name, worker, isStart: true),
            AuditLog.Record(Actor.Of(http), "model.register", details: new { model = name, backend, kind, endpoint, worker })], cancellationToken);
        return await ShowAsync(name, models, cancellationToken);
    }

    private static async Task<IResult> ChangeAsync(
        string name, HttpContext http, ModelStore models, NpgsqlDataSource db, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        name = NameOf(name);
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "is_active", "roles", "cost_per_attempt");
        var roles = Texts(fields, "roles");
        var cost = Cost(body.Root, errors);
        var isActive = fields.Boolean("is_active");
        if (!errors.Any && roles is null && cost is null && isActive is null)
            errors.Add("$", "changes nothing. Give at least one of is_active, roles, cost_per_attempt.");
        if (errors.Any)
            return errors.ToResult();
        List<NpgsqlBatchCommand> rest =
            [AuditLog.Record(Actor.Of(http), "model.change", details: new { model = name, is_active = isActive, roles, cost_per_attempt = cost })];
        if (isActive is { } active)
            rest.Add(ModelChanges.Active(name, active));
        // Whoever puts a model into service has looked at it: what stood against it is forgotten.
        if (isActive is true)
            rest.Add(ModelChanges.Available(name));
        return await db.CommitIfAsync(ModelChanges.Terms(name, roles, null, cost), rest, cancellationToken)
            ? await ShowAsync(name, models, cancellationToken)
            : Problems.NotFound("model", name, Where);
    }

    private static async Task<IResult> ShowAsync(string name, ModelStore models, CancellationToken cancellationToken) =>
        Results.Json(ModelItem.Of((await models.FindAsync(name, cancellationToken))!), AuraApi.Json);

    /// <summary>Null when the member is absent.</summary>
    private static List<string>? Texts(FieldReader fields, string name) =>
        fields.Has(name) ? [.. fields.Texts(name, 50, 100).Select(t => t.Text)] : null;

    private static double? Cost(JsonElement root, FieldErrors errors)
    {
        const string Name = "cost_per_attempt";
        if (!root.TryGetProperty(Name, out var given) || given.ValueKind == JsonValueKind.Null)
            return null;
        if (given.ValueKind == JsonValueKind.Number && given.TryGetDouble(out var cost) && cost is >= 0 and < 1e9)
            return cost;
        errors.Add(Name, "must be a number, 0 or more.");
        return null;
    }
}
