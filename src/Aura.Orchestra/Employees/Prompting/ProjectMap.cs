using System.Text;

namespace Aura.Orchestra.Employees.Prompting;

/// <summary>A project's files as a model gets to see them first: all of them when they are few, else by folder. Pure.</summary>
internal static class ProjectMap
{
    /// <param name="files">Paths with <c>/</c>.</param>
    /// <param name="limit">In characters.</param>
    public static string Of(IReadOnlyList<string> files, int limit)
    {
        var all = string.Join('\n', files);
        if (all.Length <= limit)
            return all;
        // Folders as deep as there is room for; what lies deeper counts for the folder above.
        for (var depth = 6; depth > 0; depth--)
        {
            var folders = Folders(files, depth);
            if (folders.Length <= limit)
                return folders;
        }

        return $"{files.Count} files; list_files shows them.";
    }

    private static string Folders(IReadOnlyList<string> files, int depth)
    {
        var text = new StringBuilder($"{files.Count} files, by folder:\n");
        foreach (var folder in files.GroupBy(f => FolderOf(f, depth)).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            text.Append(folder.Key.Length == 0 ? "." : folder.Key).Append("/ ").Append(folder.Count() == 1 ? "1 file" : $"{folder.Count()} files");
            var kinds = folder.GroupBy(Path.GetExtension).OrderByDescending(k => k.Count()).ThenBy(k => k.Key, StringComparer.Ordinal).Take(3);
            text.Append(" (").AppendJoin(", ", kinds.Select(k => $"{k.Count()} {(k.Key is { Length: > 0 } kind ? kind : "without extension")}"))
                .Append(")\n");
        }

        return text.ToString().TrimEnd('\n');
    }

    private static string FolderOf(string file, int depth) => string.Join('/', file.Split('/')[..^1].Take(depth));
}
