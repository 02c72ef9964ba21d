using Aura.Host.Api;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>What a designer can choose from: activities, expression types, variable types, strategies.</summary>
internal static class DescriptorsApi
{
    private const int MaxBytes = 1 << 20;

    public static void MapDescriptors(RouteGroupBuilder api)
    {
        var descriptors = api.MapGroup("/descriptors");
        ActivityDocument? document = null;
        descriptors.MapGet("/activities", async (HttpContext http, string? refresh, DefinitionStore definitions, CancellationToken cancellationToken) =>
        {
            // One for the application's life; two made at once differ in nothing.
            document ??= new(definitions);
            return (await document.GetAsync(bool.TryParse(refresh, out var fresh) && fresh, cancellationToken)).Answer(http);
        });
        descriptors.MapPost("/activities/{typeName}/options/{inputName}", OptionsAsync);
        descriptors.MapGet("/expression-descriptors", (ExpressionTypes types) => List(types.Descriptors));
        descriptors.MapGet("/variables", () => List(EngineDescriptors.VariableTypes));
        descriptors.MapGet("/storage-drivers", () => List(StorageDrivers.Descriptors));
        descriptors.MapGet("/workflow-activation-strategies", () => List(EngineDescriptors.ActivationStrategies));
        descriptors.MapGet("/incident-strategies", () => List(EngineDescriptors.IncidentStrategies));
        descriptors.MapGet("/commit-strategies/workflows", () => List(EngineDescriptors.WorkflowCommitStrategies));
        descriptors.MapGet("/commit-strategies/activities", () => List(EngineDescriptors.ActivityCommitStrategies));
        // The engine keeps every log entry and converts outputs by their types: there is nothing to choose.
        descriptors.MapGet("/log-persistence-strategies", () => List<StrategyDescriptor>([]));
        descriptors.MapGet("/output-converters", () => List<StrategyDescriptor>([]));
    }

    internal static IResult List<T>(IReadOnlyCollection<T> items) => Results.Json(new { items, count = items.Count }, ElsaApi.Json);

    /// <summary>The specifications of one input's editor for the activity's current values: <c>{"context": {inputName: value}}</c>.</summary>
    private static async Task<IResult> OptionsAsync(
        string typeName, string inputName, HttpContext http, ActivityRegistry registry, CancellationToken cancellationToken)
    {
        if (registry.Find(typeName) is not { } activity)
            return ElsaProblem.NotFound($"There is no activity type '{typeName}'.");
        if (activity.Inputs.FirstOrDefault(i => i.Name.Equals(inputName, StringComparison.OrdinalIgnoreCase)) is not { } input)
            return ElsaProblem.NotFound($"The activity type '{typeName}' has no input '{inputName}'.");
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBytes, cancellationToken);
        if (body is null)
            return problem!;
        var context = body.Root.TryGetProperty("context", out var values) ? WorkflowJson.ToPlain(values) : null;
        var items = await input.GetUISpecificationsAsync(http.RequestServices, context, cancellationToken);
        return Results.Json(new { items = items ?? new Dictionary<string, object>() }, ElsaApi.Json);
    }
}
