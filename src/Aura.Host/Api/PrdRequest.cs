using System.Text.Json;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Sandboxes;

namespace Aura.Host.Api;

/// <summary>A PRD as the Director hands it in, checked. Pure: what exists outside comes in as a question.</summary>
internal sealed record PrdRequest
{
    private const int MaxTasks = 100;
    private const int MaxTests = 100;
    private const int MaxPath = 255;

    public required string ProjectId { get; init; }
    public required string Title { get; init; }
    public string Description { get; init; } = "";
    public IReadOnlyList<PrdTask> Tasks { get; init; } = [];
    public IReadOnlyList<AcceptanceTest> AcceptanceTests { get; init; } = [];
    public IReadOnlyList<string> AllowTestChanges { get; init; } = [];
    public string? Backend { get; init; }

    /// <summary>Reads the request. Null means that <paramref name="errors"/> says why, all of it at once.</summary>
    public static PrdRequest? Parse(JsonElement root, Func<string, bool> projectExists, IReadOnlyList<string> backends, FieldErrors errors)
    {
        var fields = new FieldReader(root, "", errors,
            "project_id", "title", "description", "tasks", "acceptance_tests", "backend", "allow_test_changes");
        var project = fields.Text("project_id", 64, required: true);
        if (project is not null && !(IsName(project) && projectExists(project)))
            errors.Add("project_id", $"there is no project '{project}'.");
        var title = fields.Text("title", 200, required: true);
        var backend = fields.Text("backend", 64);
        if (backend is not null && !backends.Contains(backend))
            errors.Add("backend", $"'{backend}' is not known. Known: {string.Join(", ", backends)}.");
        var tasks = ParseTasks(fields, errors);
        var request = new PrdRequest
        {
            ProjectId = project ?? "",
            Title = title?.Trim() ?? "",
            Description = fields.Text("description", 100_000, multiline: true) ?? "",
            Tasks = tasks,
            AcceptanceTests = ParseTests(fields, tasks, errors),
            AllowTestChanges = ParseGlobs(fields, "allow_test_changes", errors),
            Backend = backend,
        };
        return errors.Any ? null : request;
    }

    /// <summary>Letters, digits, '_', '-' and '.'; begins with a letter or digit; at most 64 characters.</summary>
    internal static bool IsName(string text) => text.Length is > 0 and <= 64 && char.IsAsciiLetterOrDigit(text[0])
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.');

    /// <summary>Why the text is not a path inside a project, or null when it is one.</summary>
    internal static string? PathProblem(string path)
    {
        if (path.Length > MaxPath)
            return $"has {path.Length} characters; at most {MaxPath} are accepted.";
        if (path.Contains('\\', StringComparison.Ordinal) || path.Any(char.IsControl))
            return "must use '/' between names and no control characters.";
        if (path.StartsWith('/') || (path.Length > 1 && path[1] == ':'))
            return "must be relative to the project, not absolute.";
        var names = path.Split('/');
        if (names.Any(n => n is "" or "." or ".."))
            return "must not hold empty names, '.' or '..'.";
        return names.Any(n => n.Equals(".git", StringComparison.OrdinalIgnoreCase)) ? "must not be inside .git." : null;
    }

    private static string? GlobProblem(string pattern) =>
        PathProblem(pattern) ?? (Glob.TryCreate(pattern) is null ? "cannot be read as a glob. Use *, **, ?, {a,b} and [ab]." : null);

    private static List<PrdTask> ParseTasks(FieldReader root, FieldErrors errors)
    {
        var tasks = new List<(PrdTask Task, List<(int Index, string Text)> DependsOn)>();
        var items = root.Array("tasks", MaxTasks);
        for (var i = 0; i < items.Count; i++)
        {
            var path = $"tasks[{i}]";
            if (items[i].ValueKind != JsonValueKind.Object)
            {
                errors.Add(path, $"must be an object, not {RequestBody.Kind(items[i])}.");
                continue;
            }

            var fields = new FieldReader(items[i], path, errors,
                "id", "title", "type", "role", "description", "depends_on", "payload", "max_retries");
            var type = fields.Text("type", 40) ?? "IMPLEMENT";
            var id = fields.Text("id", 64) ?? (i + 1).ToString(provider: null);
            if (!IsName(id))
                errors.Add(fields.Path("id"), "must be 1 to 64 letters, digits, '_', '-' or '.', and begin with a letter or digit.");
            var duplicate = tasks.FindIndex(t => t.Task.Id == id);
            if (duplicate >= 0)
                errors.Add(fields.Path("id"), $"'{id}' is also the id of tasks[{duplicate}].");
            if (!type.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_') || type.Length == 0)
                errors.Add(fields.Path("type"), "must be upper-case letters, digits and '_', for example IMPLEMENT.");
            tasks.Add((new PrdTask
            {
                Id = id,
                Title = fields.Text("title", 200, required: true)?.Trim() ?? "",
                Type = type,
                Role = fields.Text("role", 40) is { Length: > 0 } role ? role : "Employee",
                Description = fields.Text("description", 50_000, multiline: true) ?? "",
                Payload = ParsePayload(fields, errors),
                MaxRetries = fields.Integer("max_retries", 0, 10) ?? 2,
            }, [.. fields.Texts("depends_on", MaxTasks, 200)]));
        }

        var resolved = tasks.ConvertAll(t => t.Task);
        for (var i = 0; i < tasks.Count; i++)
            resolved[i] = resolved[i] with { DependsOn = Resolve(i, tasks[i].DependsOn, resolved, errors) };
        // A graph with wrong edges has no meaning yet: cycles are looked for only in one that is otherwise right.
        if (!errors.Any && FindCycle(resolved) is { } cycle)
            errors.Add($"tasks[{resolved.FindIndex(t => t.Id == cycle[0])}].depends_on", $"is a circle: {string.Join(" → ", cycle)}.");
        return resolved;
    }

    private static List<string> Resolve(int index, List<(int Index, string Text)> names, List<PrdTask> tasks, FieldErrors errors)
    {
        var ids = new List<string>();
        foreach (var (position, name) in names)
        {
            var path = $"tasks[{index}].depends_on[{position}]";
            var found = tasks.Where(t => t.Id == name).ToList() is { Count: > 0 } byId ? byId : tasks.FindAll(t => t.Title == name);
            if (found.Count == 0)
                errors.Add(path, $"there is no task with the id or title '{name}'.");
            else if (found.Count > 1)
                errors.Add(path, $"several tasks are called '{name}': use the id.");
            else if (!ids.Contains(found[0].Id))
                ids.Add(found[0].Id);
        }

        return ids;
    }

    /// <summary>A circle of task ids (first = last), or null. Walks depth first; a task that is on the current path closes a circle.</summary>
    internal static IReadOnlyList<string>? FindCycle(IReadOnlyList<PrdTask> tasks)
    {
        var byId = tasks.ToDictionary(t => t.Id);
        var done = new HashSet<string>();
        var path = new List<string>();
        return tasks.Select(t => Visit(t.Id)).FirstOrDefault(c => c is not null);

        List<string>? Visit(string id)
        {
            var start = path.IndexOf(id);
            if (start >= 0)
                return [.. path[start..], id];
            if (!done.Add(id))
                return null;
            path.Add(id);
            var cycle = byId[id].DependsOn.Select(Visit).FirstOrDefault(c => c is not null);
            path.RemoveAt(path.Count - 1);
            return cycle;
        }
    }

    private static JsonElement? ParsePayload(FieldReader task, FieldErrors errors)
    {
        if (task.Object("payload") is not { } payload)
            return null;
        // A payload is free but for what limits the employee: that must be right.
        if (payload.TryGetProperty("path", out var at))
        {
            if (at.ValueKind != JsonValueKind.String)
                errors.Add(task.Path("payload.path"), $"must be a string, not {RequestBody.Kind(at)}.");
            else if (PathProblem(at.GetString()!.TrimEnd('/')) is { } problem)
                errors.Add(task.Path("payload.path"), problem);
        }

        if (payload.TryGetProperty("allowed_paths", out var allowed))
        {
            if (allowed.ValueKind != JsonValueKind.Array)
            {
                errors.Add(task.Path("payload.allowed_paths"), $"must be an array, not {RequestBody.Kind(allowed)}.");
                return payload;
            }

            var index = 0;
            foreach (var item in allowed.EnumerateArray())
            {
                var path = task.Path($"payload.allowed_paths[{index++}]");
                if (item.ValueKind != JsonValueKind.String)
                    errors.Add(path, $"must be a string, not {RequestBody.Kind(item)}.");
                else if (GlobProblem(item.GetString()!) is { } problem)
                    errors.Add(path, problem);
            }
        }

        return payload;
    }

    private static List<AcceptanceTest> ParseTests(FieldReader root, IReadOnlyList<PrdTask> tasks, FieldErrors errors)
    {
        var tests = new List<AcceptanceTest>();
        var items = root.Array("acceptance_tests", MaxTests);
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i].ValueKind != JsonValueKind.Object)
            {
                errors.Add($"acceptance_tests[{i}]", $"must be an object, not {RequestBody.Kind(items[i])}.");
                continue;
            }

            var fields = new FieldReader(items[i], $"acceptance_tests[{i}]", errors, "path", "content", "task");
            var path = fields.Text("path", MaxPath, required: true);
            var content = fields.Text("content", int.MaxValue, required: true, multiline: true);
            var task = fields.Text("task", 64);
            if (task is not null && tasks.All(t => t.Id != task))
                errors.Add(fields.Path("task"), $"there is no task with the id '{task}'.");
            if (path is null || content is null)
                continue;
            if (PathProblem(path) is { } problem)
                errors.Add(fields.Path("path"), problem);
            else if (tests.Find(t => Clash(t.Path, path)) is { } other)
                errors.Add(fields.Path("path"), $"'{path}' and '{other.Path}' cannot both be files.");
            else
                tests.Add(new(path, content, task));
        }

        return tests;
    }

    private static List<string> ParseGlobs(FieldReader root, string name, FieldErrors errors)
    {
        var paths = new List<string>();
        foreach (var (index, path) in root.Texts(name, MaxTests, MaxPath))
        {
            if (GlobProblem(path) is { } problem)
                errors.Add($"{name}[{index}]", problem);
            else
                paths.Add(path);
        }

        return paths;
    }

    private static bool Clash(string a, string b) =>
        a == b || a.StartsWith(b + "/", StringComparison.Ordinal) || b.StartsWith(a + "/", StringComparison.Ordinal);
}
