using System.CommandLine;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Workflows.Definitions;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Cli;

/// <summary><c>aura workflows validate</c>: what publishing would say, asked of this process or of the manager.</summary>
internal static class WorkflowValidateCommand
{
    public static Command Create()
    {
        var names = new Argument<string[]>("file") { Description = "Files, or ids of definitions that have one; default: all of the folder.", Arity = ArgumentArity.ZeroOrMore };
        var ask = new Option<bool>("--manager") { Description = "Ask the manager, which knows the workflows of its database, too. Nothing is saved." };
        var command = new Command("validate", """
            Check files as publishing would, in the same words. Errors end with exit code 1; warnings are told.

            Needs neither host nor database: workflows that files name are looked for among the files. --manager asks the host instead.
            """) { names, ask };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var folder = WorkflowCommands.Folder(parsed);
            var files = folder.Choose(parsed.GetValue(names)!);
            var findings = parsed.GetValue(ask)
                ? await AskAsync(parsed, files, cancellationToken)
                : await CheckAsync(files, folder.Read(), cancellationToken);
            foreach (var (file, found) in files.Zip(findings))
                Show(parsed, file, found);
            return findings.Any(f => f.Any(i => i.IsError)) ? ExitCodes.Failed : ExitCodes.Ok;
        });
        return command;
    }

    /// <param name="around">The files among which used workflows are looked for, besides those that are checked.</param>
    internal static async Task<IReadOnlyList<IReadOnlyList<FindingItem>>> CheckAsync(
        IReadOnlyList<WorkflowFile> files, IReadOnlyList<WorkflowFile> around, CancellationToken cancellationToken)
    {
        await using var services = Composition.WorkflowChecks(AuraCli.Options());
        var all = files.Concat(around).DistinctBy(f => f.Path).ToList();
        var readable = all.Where(f => f.Definition is not null).ToList();
        var found = await services.GetRequiredService<DefinitionFolder>().ValidateAsync([.. readable.Select(f => f.Definition!)], cancellationToken);
        var byPath = readable.Zip(found).ToDictionary(p => p.First.Path, p => p.Second);
        return [.. files.Select(file =>
        {
            if (file.Definition is null)
                return (IReadOnlyList<FindingItem>)[Unreadable(file.Problem!)];
            // The import at start takes both, one over the other.
            var twin = all.Find(f => f.Path != file.Path && f.Definition?.DefinitionId == file.Definition.DefinitionId);
            var findings = byPath[file.Path].Select(FindingItem.Of);
            return [.. twin is null ? findings : findings.Prepend(Unreadable($"{twin.Name} holds the workflow '{file.Definition.DefinitionId}' too. Give one of them another definitionId, or remove it."))];
        })];
    }

    private static async Task<IReadOnlyList<IReadOnlyList<FindingItem>>> AskAsync(
        ParseResult parsed, IReadOnlyList<WorkflowFile> files, CancellationToken cancellationToken)
    {
        using var manager = AuraCli.Manager(parsed);
        var all = new List<IReadOnlyList<FindingItem>>();
        foreach (var file in files)
        {
            if (file.Definition is null)
                all.Add([Unreadable(file.Problem!)]);
            else
                all.Add((await manager.PostAsync("/workflow-files/validate", file.Text, cancellationToken)).GetProperty("findings").Deserialize<List<FindingItem>>(AuraApi.Json)!);
        }

        return all;
    }

    private static FindingItem Unreadable(string message) => new("error", ValidationCodes.Unreadable, null, null, null, message);

    private static void Show(ParseResult parsed, WorkflowFile file, IReadOnlyList<FindingItem> findings)
    {
        if (parsed.IsJson())
        {
            Console.WriteLine(JsonSerializer.Serialize(new { file = file.Name, definition_id = file.Definition?.DefinitionId, findings }, AuraApi.Json));
            return;
        }

        if (findings.Count == 0)
            Console.WriteLine($"{file.Name}: ok");
        foreach (var finding in findings)
            Console.WriteLine($"{file.Name}: {finding.Severity} [{finding.Code}] {finding.Message}");
    }
}
