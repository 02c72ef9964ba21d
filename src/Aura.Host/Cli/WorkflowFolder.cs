using System.Text;
using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Host.Cli;

/// <summary>A workflow file; without a definition it says why.</summary>
internal sealed record WorkflowFile(string Path, string Text, WorkflowDefinition? Definition, string? Problem)
{
    /// <summary>The name as messages show it: relative to where the person stands.</summary>
    public string Name => System.IO.Path.GetRelativePath(Directory.GetCurrentDirectory(), Path) is var near && near.StartsWith("..", StringComparison.Ordinal) ? Path : near;

    /// <exception cref="CliException">The file cannot be used.</exception>
    public WorkflowDefinition Required => Definition ?? throw new CliException(ExitCodes.Failed, Problem!);
}

/// <summary>The folder in which definitions are kept as files.</summary>
internal sealed class WorkflowFolder(string directory)
{
    public string Directory { get; } = directory;

    /// <summary>All files of the folder by name. The folder need not exist.</summary>
    public IReadOnlyList<WorkflowFile> Read() => !System.IO.Directory.Exists(Directory)
        ? []
        : [.. System.IO.Directory.EnumerateFiles(Directory, "*.json").Order(StringComparer.Ordinal).Select(Read)];

    /// <summary>The named files, or all of the folder. A name may be a path, a file's name in the folder, or a definition's id.</summary>
    /// <exception cref="CliException">There is no such file.</exception>
    public IReadOnlyList<WorkflowFile> Choose(IReadOnlyList<string> names)
    {
        var all = Read();
        if (names.Count == 0 && all.Count == 0)
            throw new CliException(ExitCodes.NotFound, $"There are no workflow files in {Directory}. Set --dir or AURA_WORKFLOWS.");
        return names.Count == 0 ? all : [.. names.Select(name => Find(name, all)
            ?? throw new CliException(ExitCodes.NotFound, $"There is no workflow file '{name}', and none in {Directory} holds a workflow of that id."))];
    }

    public static WorkflowFile? Find(string name, IReadOnlyList<WorkflowFile> all) =>
        File.Exists(name) ? Read(System.IO.Path.GetFullPath(name))
        : all.FirstOrDefault(f => System.IO.Path.GetFileName(f.Path) == name) ?? all.FirstOrDefault(f => f.Definition?.DefinitionId == name);

    /// <summary>Writes all of the file or nothing.</summary>
    public static void Write(string path, string text)
    {
        System.IO.Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        var whole = path + ".new";
        File.WriteAllText(whole, text, new UTF8Encoding(false));
        File.Move(whole, path, overwrite: true);
    }

    private static WorkflowFile Read(string path)
    {
        var text = File.ReadAllText(path);
        try
        {
            return new(path, text, WorkflowDefinition.Parse(text, System.IO.Path.GetFileName(path)), null);
        }
        catch (InvalidDefinitionException e)
        {
            return new(path, text, null, e.Message);
        }
    }
}

/// <summary>
/// The content of the database's latest version when a file was last exported or imported here, by manager and definition. A hint that
/// spares a person needless conflicts; without it everything still works.
/// </summary>
internal sealed class SeenVersions(string state, string managerUrl)
{
    private readonly string _file = Path.Combine(state, "workflows-seen.json");

    public string? Of(string definitionId) => Read().GetValueOrDefault(KeyOf(definitionId));

    public void Set(string definitionId, string hash)
    {
        var seen = Read();
        seen[KeyOf(definitionId)] = hash;
        WorkflowFolder.Write(_file, JsonSerializer.Serialize(seen));
    }

    private string KeyOf(string definitionId) => $"{managerUrl.TrimEnd('/')} {definitionId}";

    private Dictionary<string, string> Read()
    {
        try
        {
            return File.Exists(_file) ? JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(_file)) ?? [] : [];
        }
        catch (JsonException)
        {
            return [];
        }
    }
}
