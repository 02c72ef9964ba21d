using System.Text.Json;

namespace Aura.Orchestra.Tools;

/// <summary>One tool, as every way in tells it: MCP, the plain endpoints, and adapters that call a model themselves.</summary>
/// <param name="Description">Teaches a model when and how to use it.</param>
/// <param name="Schema">JSON schema of the arguments.</param>
public sealed record ToolDefinition(string Name, string Description, string Schema)
{
    /// <summary>The names that <see cref="Schema"/> gives the arguments.</summary>
    internal IReadOnlyList<string> Arguments { get; } = [.. JsonElement.Parse(Schema).GetProperty("properties").EnumerateObject().Select(p => p.Name)];

    /// <summary>For people.</summary>
    public string Title { get; init; } = Name;

    /// <summary>It changes nothing.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>It may overwrite or remove what was there (a snapshot is always taken before).</summary>
    public bool IsDestructive { get; init; }

    /// <summary>Doing it twice with the same arguments is as good as once.</summary>
    public bool IsIdempotent { get; init; }
}

/// <summary>The tools' names.</summary>
public static class ToolNames
{
    public const string ListFiles = "list_files";
    public const string ReadFile = "read_file";
    public const string SearchFiles = "search_files";
    public const string WriteFile = "write_file";
    public const string DeleteFile = "delete_file";
    public const string ApplyPatch = "apply_patch";
    public const string CreateSnapshot = "create_snapshot";
    public const string RestoreSnapshot = "restore_snapshot";
    public const string Diff = "diff";
    public const string RunTests = "run_tests";
    public const string JobBrief = "job_brief";
    public const string ReportProgress = "report_progress";
    public const string Submit = "submit";
}

/// <summary>The one list of what an employee can do. Nothing else describes a tool.</summary>
public static class ToolCatalog
{
    private const string Path = "\"path\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":1024,\"description\":\"Relative to the project's root, with '/', for example app/main.py\"}";
    private const string Cursor = "\"cursor\":{\"type\":\"string\",\"maxLength\":2048,\"description\":\"next_cursor of the answer before; leave it out for the first page\"}";

    public static IReadOnlyList<ToolDefinition> All { get; } =
    [
        new(ToolNames.JobBrief,
            "What you are to do: the job, its place in the PRD, the paths you may write, the attempt, and what the validator said of the attempt before. Call it first.",
            """{"type":"object","properties":{},"additionalProperties":false}""")
        { Title = "Read the job", IsReadOnly = true, IsIdempotent = true },
        new(ToolNames.ListFiles,
            "Lists the project's files in path order, one a line. Narrow it with a glob; when the answer names a next_cursor, call again with it for more.",
            $$$"""{"type":"object","properties":{"pattern":{"type":"string","maxLength":500,"description":"Glob: * within a folder, ** across folders, {a,b} a choice; for example app/**/*.py. Default ** (all files)"},"limit":{"type":"integer","minimum":1,"maximum":2000,"description":"Most files in one answer, default 500"},{{{Cursor}}}},"additionalProperties":false}""")
        { Title = "List files", IsReadOnly = true, IsIdempotent = true },
        new(ToolNames.ReadFile,
            "Returns the text of one file, whole or a range of lines. Read a file before you change it. A long file is cut; the answer then names the next line to ask for. Binary files are refused.",
            $$$"""{"type":"object","properties":{{{{Path}}},"start_line":{"type":"integer","minimum":1,"description":"First line, from 1"},"end_line":{"type":"integer","minimum":1,"description":"Last line, inclusive"}},"required":["path"],"additionalProperties":false}""")
        { Title = "Read a file", IsReadOnly = true, IsIdempotent = true },
        new(ToolNames.SearchFiles,
            "Finds lines that match a regular expression (.NET syntax without look-around and back references, so that no pattern can run away). Cheaper than reading files to find a place. Stops at its limits and says so.",
            $$$"""{"type":"object","properties":{"pattern":{"type":"string","minLength":1,"maxLength":1000,"description":"Regular expression, matched line by line"},"glob":{"type":"string","maxLength":500,"description":"Only in these files, for example **/*.py"},"ignore_case":{"type":"boolean"},"context":{"type":"integer","minimum":0,"maximum":10,"description":"Lines shown before and after each match, default 0"},"limit":{"type":"integer","minimum":1,"maximum":500,"description":"Most matches in one answer, default 100"},{{{Cursor}}}},"required":["pattern"],"additionalProperties":false}""")
        { Title = "Search in files", IsReadOnly = true, IsIdempotent = true },
        new(ToolNames.WriteFile,
            "Creates a file or replaces the whole of it; a snapshot is taken before. For a small change to a long file apply_patch is better. Refused outside the paths of the job.",
            $$$"""{"type":"object","properties":{{{{Path}}},"content":{"type":"string","description":"The complete new text"}},"required":["path","content"],"additionalProperties":false}""")
        { Title = "Write a file", IsDestructive = true, IsIdempotent = true },
        new(ToolNames.ApplyPatch,
            "Applies a unified diff (---/+++ with a/ and b/ prefixes, @@ hunks), as a whole or not at all; a snapshot is taken before. Context lines must be the file's own. When a hunk does not fit, the answer shows it beside what the file really holds there.",
            """{"type":"object","properties":{"patch":{"type":"string","minLength":1,"description":"The unified diff; may change, create and delete several files"}},"required":["patch"],"additionalProperties":false}""")
        { Title = "Apply a patch", IsDestructive = true },
        new(ToolNames.DeleteFile,
            "Deletes one file; a snapshot is taken before.",
            $$$"""{"type":"object","properties":{{{{Path}}}},"required":["path"],"additionalProperties":false}""")
        { Title = "Delete a file", IsDestructive = true },
        new(ToolNames.Diff,
            "Everything you changed so far, as a unified diff against the commit you started from. This is what will be judged.",
            """{"type":"object","properties":{},"additionalProperties":false}""")
        { Title = "Show the changes", IsReadOnly = true, IsIdempotent = true },
        new(ToolNames.RunTests,
            "Runs pytest on a copy of your work, isolated and without network, with the project's protected tests as they were. For your own information only: the verdict comes from a separate run by the validator, which may have more tests.",
            """{"type":"object","properties":{"paths":{"type":"array","maxItems":50,"items":{"type":"string","minLength":1,"maxLength":1024},"description":"Only these test files or folders, or single tests as file.py::test_name; leave it out for all tests"}},"additionalProperties":false}""")
        { Title = "Run the tests", IsReadOnly = true },
        new(ToolNames.CreateSnapshot,
            "Saves the files as they are under a label. Every change takes a snapshot by itself; use this before a risky step that you may want to take back.",
            """{"type":"object","properties":{"label":{"type":"string","maxLength":200,"description":"What stands at this point"}},"additionalProperties":false}""")
        { Title = "Take a snapshot" },
        new(ToolNames.RestoreSnapshot,
            "Makes all files what they were at a snapshot, after saving what they are now. Name it by number or by label (then the newest with that label).",
            """{"type":"object","properties":{"snapshot":{"type":"integer","minimum":1,"description":"The snapshot's number"},"label":{"type":"string","maxLength":200}},"additionalProperties":false}""")
        { Title = "Restore a snapshot", IsDestructive = true },
        new(ToolNames.ReportProgress,
            "Tells the people who watch the job where you are. Optional; a sentence at each larger step is enough.",
            """{"type":"object","properties":{"message":{"type":"string","minLength":1,"maxLength":1000},"percent":{"type":"integer","minimum":0,"maximum":100}},"required":["message"],"additionalProperties":false}""")
        { Title = "Report progress" },
        new(ToolNames.Submit,
            "Hands the work in, once, when nothing is left to do; afterwards nothing can be changed. Be honest in self_confidence: the result is proven by the validator, never by what you say.",
            """{"type":"object","properties":{"explanation":{"type":"string","minLength":1,"maxLength":10000,"description":"What you changed and why, in a few sentences"},"self_confidence":{"type":"number","minimum":0,"maximum":1,"description":"How likely all tests pass"}},"required":["explanation"],"additionalProperties":false}""")
        { Title = "Submit the work", IsIdempotent = true },
    ];

    /// <summary>What the adapters give to the models that they call themselves. How such a model begins and ends is the adapter's business.</summary>
    public static IReadOnlyList<ToolDefinition> OfEmployees { get; } = Only(
        ToolNames.ListFiles, ToolNames.ReadFile, ToolNames.SearchFiles, ToolNames.WriteFile, ToolNames.ApplyPatch, ToolNames.DeleteFile,
        ToolNames.Diff);

    public static ToolDefinition? Find(string name) => All.FirstOrDefault(t => t.Name == name);

    /// <summary>Some of the tools, in the order of <see cref="All"/>.</summary>
    public static IReadOnlyList<ToolDefinition> Only(params IReadOnlyCollection<string> names) => [.. All.Where(t => names.Contains(t.Name))];
}
