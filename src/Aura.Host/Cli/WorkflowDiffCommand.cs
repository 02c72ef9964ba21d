using System.CommandLine;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Workflows.Definitions;

namespace Aura.Host.Cli;

/// <summary><c>aura workflows diff</c>: what importing files would change, part by part.</summary>
internal static class WorkflowDiffCommand
{
    public static Command Create()
    {
        var names = new Argument<string[]>("id") { Description = "Ids of definitions, or files; default: all files of the folder.", Arity = ArgumentArity.ZeroOrMore };
        var (published, latest) = WorkflowCommands.VersionChoice();
        var command = new Command("diff", """
            Show what importing a file would change, by activities, connections and variables. Exit code 1 when there is a difference.

            + stands in the file only, - in the database only, ~ in both and is not the same.
            """) { names, published, latest };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            if (parsed.GetValue(published) && parsed.GetValue(latest))
                throw new CliException(ExitCodes.Usage, "Give --published or --latest, not both.");
            var files = WorkflowCommands.Folder(parsed).Choose(parsed.GetValue(names)!);
            using var manager = AuraCli.Manager(parsed);
            var stored = (await WorkflowCommands.StoredAsync(manager, files, cancellationToken)).ToDictionary(s => s.DefinitionId, StringComparer.Ordinal);
            var differs = false;
            foreach (var file in files)
            {
                var id = file.Required.DefinitionId;
                if (!stored.TryGetValue(id, out var other))
                {
                    differs = true;
                    Console.WriteLine(parsed.IsJson()
                        ? JsonSerializer.Serialize(new { definition_id = id, file = file.Name, version = (int?)null })
                        : $"{id}: only in {file.Name}");
                    continue;
                }

                var (definition, version, isPublished) = await WorkflowCommands.FetchAsync(
                    manager, other, parsed.GetValue(latest), parsed.GetValue(published), cancellationToken);
                var diff = DefinitionDiff.Compare(definition, file.Required);
                differs |= !diff.IsEmpty;
                if (parsed.IsJson())
                {
                    Console.WriteLine(JsonSerializer.Serialize(
                        new { DefinitionId = id, File = file.Name, Version = version, IsPublished = isPublished, diff.Changes, diff.Moved, diff.Redrawn }, AuraApi.Json));
                }
                else
                {
                    foreach (var line in Lines(diff, $"{id}: version {version} ({(isPublished ? "published" : "draft")}) and {file.Name}"))
                        Console.WriteLine(line);
                }
            }

            return differs ? ExitCodes.Failed : ExitCodes.Ok;
        });
        return command;
    }

    internal static IEnumerable<string> Lines(DefinitionDiff diff, string title)
    {
        yield return diff.IsEmpty ? $"{title} say the same." : title;
        foreach (var change in diff.Changes)
        {
            var sign = change.Kind switch { ChangeKind.Added => '+', ChangeKind.Removed => '-', _ => '~' };
            var inside = change.Inside is { } container && change.Part != "setting" ? $" in {container}" : "";
            yield return $"  {sign} {change.Part} {(change.Label is { } label && label != change.Id ? $"'{label}' ({change.Id})" : change.Id)}{inside}";
            // Of what is gone nobody needs the details.
            foreach (var member in change.Kind == ChangeKind.Removed ? [] : change.Members)
            {
                yield return change.Kind == ChangeKind.Added
                    ? $"      {member.Member}: {Short(member.After)}"
                    : $"      {member.Member}: {Short(member.Before)} ⇒ {Short(member.After)}";
            }
        }

        if (diff.Moved.Count > 0 || diff.Redrawn.Count > 0)
            yield return $"  layout{(diff.IsLayoutOnly ? " only" : "")}: activities moved or resized: {diff.Moved.Count}, connections redrawn: {diff.Redrawn.Count}";
    }

    private static string Short(string? text) => text switch
    {
        null => "(nothing)",
        { Length: > 120 } => text[..117].ReplaceLineEndings(" ") + "…",
        _ => text.ReplaceLineEndings(" "),
    };
}
