using System.Text;
using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Chat;
using Aura.Orchestra.Employees.Prompting;

namespace Aura.Orchestra.Planning;

/// <summary>A PRD that came without tasks.</summary>
public sealed record PlanRequest
{
    /// <summary>One of <see cref="EmployeeBackends.Names"/>.</summary>
    public required string Backend { get; init; }
    public required string Model { get; init; }

    /// <summary>For the ledger; null when there is none yet.</summary>
    public string? PrdId { get; init; }
    public required string ProjectName { get; init; }
    public required string Title { get; init; }
    public string Description { get; init; } = "";

    /// <summary>The project's files, so that the plan can name real paths.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    public int MaxTasks { get; init; } = 12;
}

/// <param name="Rounds">How often the model was asked.</param>
public sealed record PlannerResult(PlanOutcome Outcome, EmployeeUsage Usage, int Rounds);

/// <summary>Asks a model to split a PRD into a graph of tasks. What comes back is checked like a plan of a person, and may be mended once.</summary>
public sealed class Planner(EmployeeBackends backends, EmployeeOptions options)
{
    private const int MaxRounds = 2;
    private const int MaxMap = 12_000;

    // Strict mode of the strictest server: every property required, nothing else allowed.
    private const string Schema =
        """
        {"type":"object","additionalProperties":false,"required":["tasks"],"properties":{"tasks":{"type":"array","items":{
        "type":"object","additionalProperties":false,"required":["id","title","description","depends_on","allowed_paths"],"properties":{
        "id":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},
        "depends_on":{"type":"array","items":{"type":"string"}},"allowed_paths":{"type":"array","items":{"type":"string"}}}}}}}
        """;

    private const string Instructions =
        """
        You split a product requirement document into tasks for software developers who each work alone in a copy of the project.
        Answer with JSON only: {"tasks":[{"id","title","description","depends_on","allowed_paths"}]}.
        - id: short, unique, lower-case letters, digits and hyphens. title: one line, unique. description: everything the developer must know.
        - depends_on: ids of tasks whose result this one needs. No circles. Tasks without a dependency run side by side, so they must not change the same lines.
        - allowed_paths: globs of the files the task may write, such as app/** or tests/test_x.py.
        - As few tasks as make sense; one is fine for small work. Existing tests must keep passing after every task.
        """;

    /// <summary>One question, and one more with the reasons when the first plan was refused.</summary>
    public async Task<PlannerResult> PlanAsync(PlanRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        var usage = EmployeeUsage.None;
        if (request.Backend is ScriptedEmployee.BackendName or EmployeeBackends.Cli)
            return Refused(0,
                $"Backend '{request.Backend}' calls no model itself and cannot plan. Give the PRD its 'tasks', or choose a backend that calls a model.");
        var (endpoint, missing) = backends.EndpointOf(backends.Adapter(request.Backend).Backend);
        if (endpoint is null)
            return Refused(0, $"The planner's backend '{request.Backend}' cannot be used: {missing}");

        var fence = new DataFence(backends.Redactor);
        var context = request.Backend == EmployeeBackends.Ollama ? options.Ollama.ContextTokens : options.ContextTokens;
        var room = Math.Min(options.MaxOutputTokens, context / 2);
        List<ModelMessage> messages = [new(Speaker.System, $"{Instructions}\n{fence.Explanation}"), new(Speaker.User, PromptOf(request, fence))];
        IReadOnlyList<string> reasons = [];
        for (var round = 1; round <= MaxRounds; round++)
        {
            var answer = await backends.Calls.AskAsync(
                endpoint, request.Model, new() { Messages = messages, AnswerSchema = Schema, MaxOutputTokens = room, ContextTokens = context },
                new("plan", request.PrdId, null, null), null, cancellationToken);
            usage = usage.Plus(answer.Usage);
            if (answer.Reply is not { } said)
                return Refused(round, $"The planner gave no plan: {answer.Problem}");
            if (!string.IsNullOrEmpty(said.Refusal) || said.End == ReplyEnd.Filtered)
                return Refused(round, $"The planner model refused: {(string.IsNullOrEmpty(said.Refusal) ? "the provider's content filter stopped the answer" : said.Refusal)}");
            // Asked again it would be cut again.
            if (said.End == ReplyEnd.Length)
                return Refused(round, $"The plan was cut at {answer.Usage.Completion} tokens. Make the PRD smaller, or raise Aura:Employees:MaxOutputTokens (now {options.MaxOutputTokens}).");
            var text = said.Text;
            var outcome = Read(text, request.MaxTasks);
            if (outcome is not PlanOutcome.PlanRefused refused)
                return new(outcome, usage, round);
            reasons = refused.Reasons;
            if (text.Length > 0)
                messages.Add(new(Speaker.Model, text));
            messages.Add(
                new(Speaker.User,
                $"This plan cannot be used:\n{string.Join("\n", reasons.Select(r => "- " + r))}\nAnswer with the whole corrected plan as JSON."));
        }

        return new(new PlanOutcome.PlanRefused([$"The planner model '{request.Model}' gave no usable plan in {MaxRounds} tries.", .. reasons]), usage, MaxRounds);

        PlannerResult Refused(int rounds, string reason) => new(new PlanOutcome.PlanRefused([reason]), usage, rounds);
    }

    /// <summary>Reads a plan from a model's answer.</summary>
    internal static PlanOutcome Read(string text, int maxTasks)
    {
        var reasons = new List<string>();
        var tasks = new List<PlanTask>();
        try
        {
            using var document = JsonDocument.Parse(Unfenced(text));
            if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("tasks", out var items) || items.ValueKind != JsonValueKind.Array)
                return new PlanOutcome.PlanRefused(["The answer is not an object with a list 'tasks'."]);
            foreach (var (item, index) in items.EnumerateArray().Select((t, i) => (t, i)))
            {
                if (item.ValueKind != JsonValueKind.Object)
                {
                    reasons.Add($"tasks[{index}] is not an object.");
                    continue;
                }

                tasks.Add(new()
                {
                    Id = Text(item, "id", index, reasons, required: true),
                    Title = Text(item, "title", index, reasons, required: true),
                    Description = Text(item, "description", index, reasons, required: false),
                    DependsOn = Texts(item, "depends_on", index, reasons),
                    AllowedPaths = Texts(item, "allowed_paths", index, reasons),
                });
            }
        }
        catch (JsonException e)
        {
            return new PlanOutcome.PlanRefused([$"The answer is not valid JSON: {e.Message}"]);
        }

        if (reasons.Count > 0)
            return new PlanOutcome.PlanRefused(reasons);
        // Jobs are told apart by their titles, in scripts and by people.
        var twice = tasks.GroupBy(t => t.Title, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1);
        return twice is null ? PlanGraph.Create(tasks, maxTasks) : new PlanOutcome.PlanRefused([$"Two tasks have the title '{twice.Key}'."]);
    }

    // Servers without strict output like to wrap JSON in a code fence.
    private static string Unfenced(string text)
    {
        var trimmed = text.Trim();
        if (!trimmed.StartsWith("```", StringComparison.Ordinal) || !trimmed.EndsWith("```", StringComparison.Ordinal) || trimmed.Length < 7)
            return trimmed;
        var start = trimmed.IndexOf('\n', StringComparison.Ordinal);
        return start < 0 ? trimmed : trimmed[start..^3].Trim();
    }

    private static string Text(JsonElement item, string name, int index, List<string> reasons, bool required)
    {
        if (item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && (!required || !string.IsNullOrWhiteSpace(value.GetString())))
            return value.GetString()!.Trim();
        if (required || value.ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null))
            reasons.Add($"tasks[{index}].{name} must be a text{(required ? " that is not empty" : "")}.");
        return "";
    }

    private static List<string> Texts(JsonElement item, string name, int index, List<string> reasons)
    {
        if (!item.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return [];
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String))
            return [.. value.EnumerateArray().Select(v => v.GetString()!.Trim())];
        reasons.Add($"tasks[{index}].{name} must be a list of texts.");
        return [];
    }

    private static string PromptOf(PlanRequest request, DataFence fence)
    {
        var text =
            new StringBuilder(
            $"Project: {fence.Inline(request.ProjectName)}\nPRD: {fence.Inline(request.Title)}\nAt most {request.MaxTasks} tasks.\n");
        if (!string.IsNullOrWhiteSpace(request.Description))
            text.Append($"\nWhat is required:\n{fence.Wrap("the PRD", request.Description.Trim())}\n");
        if (request.Files.Count > 0)
            text.Append($"\nFiles of the project:\n{fence.Wrap("the project", ProjectMap.Of(request.Files, MaxMap))}\n");
        return text.ToString();
    }
}
