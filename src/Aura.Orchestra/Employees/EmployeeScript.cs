using System.Text.Json;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees;

/// <param name="Arguments">An object; texts given as a list of lines are already joined.</param>
internal sealed record ScriptCall(string Tool, JsonElement Arguments);

internal sealed record ScriptAttempt(IReadOnlyList<ScriptCall> Calls, string Explanation, double? Confidence);

/// <summary>What the script player does, per job title and attempt. The format is described in the README beside this file.</summary>
internal sealed record EmployeeScript(string FilePath, string? PrdTitle, IReadOnlyDictionary<string, IReadOnlyList<ScriptAttempt>> Jobs)
{
    public const string Sleep = "sleep";
    public const string Fail = "fail";

    /// <summary>The last attempt repeats.</summary>
    public ScriptAttempt AttemptOf(string jobTitle, int attempt) => Jobs[jobTitle][Math.Min(attempt, Jobs[jobTitle].Count) - 1];

    /// <summary>Reads a script. Null means that <paramref name="errors"/> says why: each names the file and the JSON path.</summary>
    public static EmployeeScript? Parse(string text, string filePath, out IReadOnlyList<string> errors) =>
        new Reader(filePath).Parse(text, out errors);

    private sealed class Reader(string file) : HandWrittenJson<EmployeeScript>(file)
    {
        private static readonly string[] Tools = [.. ToolCatalog.All.Select(d => d.Name), Sleep, Fail];

        private readonly string _file = file;

        protected override EmployeeScript Read(JsonElement root)
        {
            var jobs = new Dictionary<string, IReadOnlyList<ScriptAttempt>>(StringComparer.Ordinal);
            if (IsObject(root, "$", "about", "prd_title", "jobs"))
            {
                if (!root.TryGetProperty("jobs", out var titles) || titles.ValueKind != JsonValueKind.Object)
                    Error("$.jobs", "must be an object with one entry for each job title");
                else
                {
                    foreach (var job in titles.EnumerateObject())
                        jobs[job.Name] = Attempts(job.Value, $"$.jobs['{job.Name}']");
                }
            }

            return new(_file, root.ValueKind == JsonValueKind.Object ? Text(root, "$", "prd_title", mayBeEmpty: true) : null, jobs);
        }

        private List<ScriptAttempt> Attempts(JsonElement job, string path)
        {
            if (!IsObject(job, path, "attempts"))
                return [];
            if (!job.TryGetProperty("attempts", out var attempts) || attempts.ValueKind != JsonValueKind.Array || attempts.GetArrayLength() == 0)
            {
                Error(path + ".attempts", "must be a list with at least one attempt");
                return [];
            }

            return [.. attempts.EnumerateArray().Select((a, i) => Attempt(a, $"{path}.attempts[{i}]"))];
        }

        private ScriptAttempt Attempt(JsonElement attempt, string path)
        {
            var none = new ScriptAttempt([], "", null);
            if (!IsObject(attempt, path, "calls", "explanation", "confidence"))
                return none;
            if (!attempt.TryGetProperty("calls", out var calls) || calls.ValueKind != JsonValueKind.Array)
            {
                Error(path + ".calls", "must be a list of tool calls");
                return none;
            }

            double? confidence = null;
            if (attempt.TryGetProperty("confidence", out var value))
            {
                if (value.ValueKind == JsonValueKind.Number && value.GetDouble() is >= 0 and <= 1)
                    confidence = value.GetDouble();
                else
                    Error(path + ".confidence", "must be a number from 0 to 1");
            }

            return new(
                [.. calls.EnumerateArray().Select((c, i) => Call(c, $"{path}.calls[{i}]")).OfType<ScriptCall>()],
                Text(attempt, path, "explanation", mayBeEmpty: true) ?? "", confidence);
        }

        private ScriptCall? Call(JsonElement call, string path)
        {
            if (!IsObject(call, path, "tool", "arguments"))
                return null;
            var tool = Text(call, path, "tool", mayBeEmpty: true);
            if (tool is null || !Tools.Contains(tool, StringComparer.Ordinal))
            {
                Error(path + ".tool", $"must be one of {string.Join(", ", Tools)}");
                return null;
            }

            var arguments = new Dictionary<string, object?>(StringComparer.Ordinal);
            if (call.TryGetProperty("arguments", out var given))
            {
                if (!IsObject(given, path + ".arguments"))
                    return null;
                foreach (var argument in given.EnumerateObject())
                    arguments[argument.Name] = Argument(argument.Value, $"{path}.arguments.{argument.Name}");
            }

            var result = JsonSerializer.SerializeToElement(arguments);
            if (tool == Sleep && !(result.TryGetProperty("seconds", out var seconds) && seconds.ValueKind == JsonValueKind.Number && seconds.GetDouble() is >= 0 and <= 86_400))
                Error(path + ".arguments.seconds", "must be a number of seconds, at most a day");
            return new(tool, result);
        }

        // Code is easier to write and to review as a list of lines.
        private object? Argument(JsonElement value, string path)
        {
            if (value.ValueKind != JsonValueKind.Array)
                return value.Clone();
            var lines = value.EnumerateArray().ToList();
            if (lines.TrueForAll(l => l.ValueKind == JsonValueKind.String))
                return string.Concat(lines.Select(l => l.GetString() + "\n"));
            Error(path, "as a list must hold only texts, one for each line");
            return null;
        }
    }
}
