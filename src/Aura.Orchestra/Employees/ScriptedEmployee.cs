using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Employees;

/// <summary>Plays a script instead of asking a model: the demo's default, and every test's way to have exact work done.</summary>
public sealed class ScriptedEmployee(EmployeeOptions options, TimeProvider time) : IEmployeeAdapter
{
    public const string BackendName = "scripted";

    /// <summary>What stands where another backend names its model.</summary>
    public const string ModelName = "scripted-no-model";

    private const string NoModel = "Backend 'scripted': no model is called, a script is played.";

    private readonly SecretRedactor _redactor = new(options.Secrets);

    public string Backend => BackendName;

    public async Task<EmployeeResult> WorkAsync(EmployeeRequest request, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(tools);
        var protocol = new WorkProtocol(NoModel, _redactor);
        var (script, problem) = await FindAsync(request, cancellationToken);
        if (script is null)
        {
            protocol.Add(problem);
            return new() { Output = protocol.ToString(), Explanation = problem, FinishReason = EmployeeFinish.Misconfigured };
        }

        var attempt = script.AttemptOf(request.Title, request.Attempt);
        protocol.Add($"Script {Path.GetFileName(script.FilePath)}, job '{request.Title}', attempt {request.Attempt} of {request.MaxAttempts}.");
        var toolbox = new Toolbox(tools);
        foreach (var call in attempt.Calls)
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (call.Tool)
            {
                case EmployeeScript.Sleep:
                    var pause = TimeSpan.FromSeconds(call.Arguments.GetProperty("seconds").GetDouble());
                    protocol.Add($"sleep {pause.TotalSeconds:0.###} s");
                    await Task.Delay(pause, time, cancellationToken);
                    break;
                case EmployeeScript.Fail:
                    var message = call.Arguments.TryGetProperty("message", out var text) && text.ValueKind == JsonValueKind.String
                        ? text.GetString()! : "The script gives up here.";
                    protocol.Add($"fail: {message}");
                    return Result(message, EmployeeFinish.Failed);
                default:
                    var result = await toolbox.CallAsync(call.Tool, Substitute(call.Arguments, request), cancellationToken);
                    protocol.Add(toolbox.Calls[^1], result);
                    break;
            }
        }

        return Result(attempt.Explanation.Length > 0 ? attempt.Explanation : "The script was played to its end.", EmployeeFinish.Completed);

        EmployeeResult Result(string explanation, EmployeeFinish finish) => new()
        {
            Output = protocol.ToString(),
            Explanation = $"[script, no model] {explanation}",
            SelfConfidence = attempt.Confidence,
            Artifacts = toolbox.Artifacts,
            ToolCalls = toolbox.Calls,
            FinishReason = finish,
        };
    }

    /// <summary>The script with this job's title: from the configured directory, else from the project; one that names the PRD's title goes first.</summary>
    private async Task<(EmployeeScript? Script, string Problem)> FindAsync(EmployeeRequest request, CancellationToken cancellationToken)
    {
        List<string> directories = [];
        if (options.Scripted.Directory is { Length: > 0 } configured)
            directories.Add(Path.GetFullPath(configured));
        if (SandboxPath.Parse(request.ProjectName) is { IsRefused: false, Value.Components.Count: 1 })
            directories.Add(Path.Combine(Path.GetFullPath(options.ProjectsDirectory), request.ProjectName, "prds"));
        var titles = new List<string>();
        foreach (var directory in directories.Where(Directory.Exists))
        {
            var found = new List<EmployeeScript>();
            foreach (var file in Directory.EnumerateFiles(directory, "*.script.json").Order(StringComparer.Ordinal))
            {
                var script = EmployeeScript.Parse(await File.ReadAllTextAsync(file, cancellationToken), file, out var errors);
                // A broken script may be the very one that is meant: guessing would play another.
                if (script is null)
                    return (null, $"A script cannot be read. {string.Join(" ", errors)}");
                if (script.PrdTitle is not null && script.PrdTitle != request.PrdTitle)
                    continue;
                titles.AddRange(script.Jobs.Keys);
                if (script.Jobs.ContainsKey(request.Title))
                    found.Add(script);
            }

            var candidates = found.FindAll(s => s.PrdTitle is not null) is { Count: > 0 } exact ? exact : found;
            if (candidates.Count > 1)
                return (null, $"Several scripts have a job '{request.Title}': {string.Join(", ", candidates.Select(s => s.FilePath))}. Give them different 'prd_title's.");
            if (candidates.Count == 1)
                return (candidates[0], "");
        }

        return (null, $"No script for job '{request.Title}' of PRD '{request.PrdTitle}' in {string.Join(" or ", directories)} (files *.script.json). "
            + $"Jobs with a script: {(titles.Count > 0 ? string.Join(", ", titles.Select(t => $"'{t}'")) : "none")}. "
            + "Write a script, or choose a backend that calls a model.");
    }

    private static JsonElement Substitute(JsonElement arguments, EmployeeRequest request)
    {
        var changed = new JsonObject();
        foreach (var argument in arguments.EnumerateObject())
        {
            changed[argument.Name] = argument.Value.ValueKind == JsonValueKind.String
                ? argument.Value.GetString()!
                    .Replace("{{prd_id}}", request.PrdId, StringComparison.Ordinal)
                    .Replace("{{job_id}}", request.JobId, StringComparison.Ordinal)
                    .Replace("{{attempt}}", request.Attempt.ToString(provider: null), StringComparison.Ordinal)
                : JsonNode.Parse(argument.Value.GetRawText());
        }

        return JsonSerializer.SerializeToElement(changed);
    }
}
