using System.CommandLine;
using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Host.Cli;

/// <summary><c>aura workflows</c>: definitions as files, beside those in the database.</summary>
internal static class WorkflowCommands
{
    internal static Option<string?> DirectoryOption { get; } = new("--dir") { Description = "The folder of the files; default AURA_WORKFLOWS, else workflows.", Recursive = true };

    public static Command Create()
    {
        var command = new Command("workflows", """
            Workflow definitions as files: list, export, import, validate, diff.

            Examples:
              ./aura workflows list                    files and database side by side
              ./aura workflows export prd-pipeline     the published version into its file
              ./aura workflows validate                what publishing would say; needs no host
              ./aura workflows diff                    what importing the files would change
              ./aura workflows import --publish        the files into the database
            """) { List(), Export(), Import(), WorkflowValidateCommand.Create(), WorkflowDiffCommand.Create() };
        command.Options.Add(DirectoryOption);
        return command;
    }

    public static WorkflowFolder Folder(ParseResult parsed) => new(Path.GetFullPath(parsed.GetValue(DirectoryOption) ?? AuraCli.Options().WorkflowsDirectory));

    public static async Task<IReadOnlyList<StoredWorkflow>> StoredAsync(
        ManagerClient manager, IEnumerable<WorkflowFile> files, CancellationToken cancellationToken)
    {
        var hashes = files.Select(f => f.Definition?.ContentHash).OfType<string>().Distinct();
        var answer = await manager.PostAsync("/workflow-files/list", JsonSerializer.Serialize(new { hashes }), cancellationToken);
        return [.. answer.GetProperty("items").EnumerateArray().Select(StoredWorkflow.Of)];
    }

    /// <summary>A version of the database with the wanted flag; without a wish the published one, else the latest.</summary>
    public static async Task<(WorkflowDefinition Definition, int Version, bool IsPublished)> FetchAsync(
        ManagerClient manager, StoredWorkflow stored, bool latest, bool published, CancellationToken cancellationToken)
    {
        if (published && stored.PublishedVersion is null)
            throw new CliException(ExitCodes.NotFound, $"{stored.DefinitionId} has no published version; --latest takes its draft.");
        var version = latest || stored.PublishedVersion is null ? "latest" : "published";
        var answer = await manager.GetAsync($"/workflow-files/{Uri.EscapeDataString(stored.DefinitionId)}?version={version}", cancellationToken);
        return (WorkflowDefinition.Parse(answer.GetProperty("document").GetRawText(), stored.DefinitionId),
            answer.GetProperty("version").GetInt32(), answer.GetProperty("is_published").GetBoolean());
    }

    public static (Option<bool> Published, Option<bool> Latest) VersionChoice() => (
        new("--published") { Description = "The published version, and nothing else." },
        new("--latest") { Description = "The latest version, also when it is a draft. Default: the published one, else the latest." });

    private static Command List()
    {
        var command = new Command("list", "List files and database side by side: same, file newer, database edited, both edited, only file, only database.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var files = Folder(parsed).Read();
            var seen = new SeenVersions(AuraCli.Options().State, manager.Url);
            var stored = (await StoredAsync(manager, files, cancellationToken)).ToDictionary(s => s.DefinitionId, StringComparer.Ordinal);
            var rows = files.Where(f => f.Definition is not null).Select(f => (File: f, Stored: stored.GetValueOrDefault(f.Definition!.DefinitionId)))
                .Select(r => Row(r.File.Definition!.DefinitionId, r.File, r.Stored, WorkflowStates.Of(r.File.Definition!.ContentHash, r.Stored, seen.Of(r.File.Definition!.DefinitionId))))
                .Concat(files.Where(f => f.Definition is null).Select(f => Row("-", f, null, f.Problem!)))
                .Concat(stored.Values.Where(s => files.All(f => f.Definition?.DefinitionId != s.DefinitionId)).Select(s => Row(s.DefinitionId, null, s, WorkflowStates.OnlyDatabase)))
                .OrderBy(r => r["id"], StringComparer.Ordinal).ToList();
            if (parsed.IsJson())
                Console.WriteLine(JsonSerializer.Serialize(new { items = rows }));
            else
                ManagerCommands.Table(JsonSerializer.SerializeToElement(rows), "id", "state", "file", "latest", "published", "name");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Dictionary<string, string?> Row(string id, WorkflowFile? file, StoredWorkflow? stored, string state) => new()
    {
        ["id"] = id,
        ["state"] = state,
        ["file"] = file?.Name,
        ["latest"] = stored is null ? null : $"{stored.LatestVersion}",
        ["published"] = stored?.PublishedVersion?.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["name"] = file?.Definition?.Name ?? stored?.Name,
    };

    private static Command Export()
    {
        var ids = new Argument<string[]>("id") { Description = "Definitions; or --all.", Arity = ArgumentArity.ZeroOrMore };
        var all = new Option<bool>("--all") { Description = "Every definition of the database." };
        var force = new Option<bool>("--force") { Description = "Also over files whose content stands in no version of the database." };
        var (published, latest) = VersionChoice();
        var command = new Command("export", """
            Write definitions into their files: the same bytes when nothing has changed.

            A file that holds what no version of the database holds is kept, unless --force.
            """) { ids, all, published, latest, force };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var wanted = parsed.GetValue(ids)!;
            if (wanted.Length == 0 && !parsed.GetValue(all))
                throw new CliException(ExitCodes.Usage, "Name the definitions to export, or give --all.");
            if (parsed.GetValue(published) && parsed.GetValue(latest))
                throw new CliException(ExitCodes.Usage, "Give --published or --latest, not both.");
            using var manager = AuraCli.Manager(parsed);
            var folder = Folder(parsed);
            var files = folder.Read();
            var stored = await StoredAsync(manager, files, cancellationToken);
            if (wanted.FirstOrDefault(w => stored.All(s => s.DefinitionId != w)) is { } unknown)
                throw new CliException(ExitCodes.NotFound, $"The database holds no workflow '{unknown}'. See: ./aura workflows list");
            var seen = new SeenVersions(AuraCli.Options().State, manager.Url);
            return await EachAsync(parsed, stored.Where(s => wanted.Length == 0 || wanted.Contains(s.DefinitionId)), s => s.DefinitionId, async s =>
            {
                var (definition, version, _) = await FetchAsync(manager, s, parsed.GetValue(latest), parsed.GetValue(published), cancellationToken);
                var (text, file) = (DefinitionFile.Write(definition), files.FirstOrDefault(f => f.Definition?.DefinitionId == s.DefinitionId));
                var path = file?.Path ?? Path.Combine(folder.Directory, DefinitionFile.NameOf(s.DefinitionId));
                var isUnchanged = file?.Text == text;
                if (file is null && File.Exists(path) && !parsed.GetValue(force))
                    throw new CliException(ExitCodes.Conflict, $"{path} exists and holds another workflow, or none; it is kept. Move it, or give --force.");
                if (file is not null && !isUnchanged && !parsed.GetValue(force) && !WorkflowStates.MayOverwrite(file.Definition!.ContentHash, s))
                    throw new CliException(ExitCodes.Conflict, $"{file.Name} holds changes that stand in no version of the database; it is kept. See: ./aura workflows diff {s.DefinitionId}; --force writes over it.");
                if (!isUnchanged)
                    WorkflowFolder.Write(path, text);
                if (definition.ContentHash == s.LatestHash)
                    seen.Set(s.DefinitionId, s.LatestHash);
                return new { definition_id = s.DefinitionId, outcome = isUnchanged ? "unchanged" : "written", version, file = path };
            }, r => $"{r.definition_id}: {r.outcome}, version {r.version}, {r.file}");
        });
        return command;
    }

    private static Command Import()
    {
        var names = new Argument<string[]>("file") { Description = "Files, or ids of definitions that have one; default: all of the folder.", Arity = ArgumentArity.ZeroOrMore };
        var publish = new Option<bool>("--publish") { Description = "Publish it; default: keep it as a draft. With errors nothing is changed." };
        var force = new Option<bool>("--force") { Description = "Also over an edit in the database; the version that holds the edit is kept." };
        var command = new Command("import", "Bring files into the database, as drafts or published.") { names, publish, force };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var files = Folder(parsed).Choose(parsed.GetValue(names)!);
            using var manager = AuraCli.Manager(parsed);
            var seen = new SeenVersions(AuraCli.Options().State, manager.Url);
            return await EachAsync(parsed, files, f => f.Name, async file =>
            {
                var id = file.Required.DefinitionId;
                var query = $"/workflow-files/import?publish={parsed.GetValue(publish)}&force={parsed.GetValue(force)}" + (seen.Of(id) is { } hash ? $"&seen={hash}" : "");
                var answer = await manager.PostAsync(query, file.Text, cancellationToken);
                seen.Set(id, answer.GetProperty("content_hash").GetString()!);
                return answer;
            }, answer => string.Join('\n', answer.GetProperty("findings").EnumerateArray().Select(f => $"  {f.GetProperty("severity").GetString()}: {f.GetProperty("message").GetString()}")
                .Prepend($"{answer.GetProperty("definition_id").GetString()}: {answer.GetProperty("outcome").GetString()}, version {answer.GetProperty("version").GetInt32()}")));
        });
        return command;
    }

    /// <summary>Each item by itself: one that cannot be done is told and does not keep the others. The gravest exit code counts.</summary>
    private static async Task<int> EachAsync<TItem, TResult>(
        ParseResult parsed, IEnumerable<TItem> items, Func<TItem, string> name, Func<TItem, Task<TResult>> body, Func<TResult, string> say)
    {
        var exitCode = ExitCodes.Ok;
        foreach (var item in items)
        {
            try
            {
                var result = await body(item);
                Console.WriteLine(parsed.IsJson() ? JsonSerializer.Serialize(result) : say(result));
            }
            catch (CliException e) when (e.ExitCode != ExitCodes.Unavailable)
            {
                exitCode = Math.Max(exitCode, e.ExitCode);
                if (parsed.IsJson())
                    Console.WriteLine(JsonSerializer.Serialize(new { name = name(item), outcome = "failed", exit_code = e.ExitCode, message = e.Message }));
                else
                    await Console.Error.WriteLineAsync($"{name(item)}: {e.Message}");
            }
        }

        return exitCode;
    }
}
