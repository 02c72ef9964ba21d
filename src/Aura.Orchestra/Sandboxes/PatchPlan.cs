namespace Aura.Orchestra.Sandboxes;

/// <summary>Works out in memory what a patch makes of the files it names, and checks each path before anything is changed.</summary>
internal sealed class PatchPlan(WorkTree tree, Func<string?, SandboxResult<SandboxPath>> inScope, long maxFileBytes)
{
    private sealed record Planned(SandboxPath Path, byte[]? Before, byte[]? After, bool? Executable);

    private readonly Dictionary<string, Planned> _files = new(StringComparer.Ordinal);

    public async Task<SandboxResult<IReadOnlyList<PlannedChange>>> MakeAsync(string patch, CancellationToken cancellationToken)
    {
        try
        {
            var applier = new PatchedFile(maxFileBytes);
            foreach (var file in PatchText.Parse(patch, maxFileBytes))
            {
                if (await AddAsync(file, applier, cancellationToken) is { } refusal)
                    return refusal;
            }
        }
        catch (PatchException e)
        {
            return new Refusal(e.Code, e.Message);
        }

        return SandboxResult<IReadOnlyList<PlannedChange>>.Of([.. _files.Values
            .Where(f => f.Executable is not null || f.Before is null != f.After is null || !f.Before.AsSpan().SequenceEqual(f.After))
            .OrderBy(f => f.Path.ToString(), StringComparer.Ordinal)
            .Select(f => PlannedChange.Of(f.Path, f.After, f.Executable))]);
    }

    private async Task<Refusal?> AddAsync(FilePatch patch, PatchedFile applier, CancellationToken cancellationToken)
    {
        if (patch.OldPath is null && patch.NewPath is null)
            return new(RefusalCodes.PatchRejected, "A part of the patch names no file.");
        var named = patch.NewPath ?? patch.OldPath!;
        if (ModeRefusal(patch, named) is { } mode)
            return mode;
        var target = await FileAsync(named, cancellationToken);
        if (target.Refusal is { } refusal)
            return refusal;
        var source = target.Value;
        if (patch is { OldPath: not null, NewPath: not null } && patch.OldPath != patch.NewPath)
        {
            var from = await FileAsync(patch.OldPath, cancellationToken);
            if (from.Refusal is { } no)
                return no;
            if (target.Value.After is not null)
                return Exists(named);
            source = from.Value;
        }

        var isNew = patch.IsNew || (source.After is null && patch is { OldPath: not null, Binary: null, Hunks.Count: > 0 }
            && patch.Hunks.All(h => h.Lines.All(l => l.Kind == '+')));
        if (isNew && target.Value.After is not null)
            return Exists(named);
        if (!isNew && source.After is null)
            return new(
                RefusalCodes.PatchRejected, $"The patch changes '{source.Path}', which does not exist. A new file's patch begins with '--- /dev/null'.");

        var content = applier.Apply(patch, source.After ?? []);
        if (patch.IsDeleted)
        {
            if (content.Length > 0 && patch.Hunks.Count > 0)
                return new(RefusalCodes.PatchRejected, $"The patch deletes '{named}' but does not take all of its lines away.");
            _files[named] = target.Value with { After = null, Executable = null };
            return null;
        }

        bool? executable = (isNew || patch.OldMode is not null) && patch.NewMode is not null ? patch.NewMode == "100755" : null;
        if (!ReferenceEquals(source, target.Value))
        {
            executable ??= source.Executable ?? IsExecutable(source.Path);
            if (patch.IsRename)
                _files[source.Path.ToString()] = source with { After = null, Executable = null };
        }

        _files[target.Value.Path.ToString()] = target.Value with { After = content, Executable = executable ?? target.Value.Executable };
        return null;
    }

    /// <summary>The file as earlier parts of the patch leave it.</summary>
    private async Task<SandboxResult<Planned>> FileAsync(string text, CancellationToken cancellationToken)
    {
        var parsed = inScope(text);
        if (parsed.Refusal is { } refusal)
            return refusal;
        var path = parsed.Value;
        if (_files.TryGetValue(path.ToString(), out var known))
            return known;
        var read = await tree.ReadAsync(path, maxFileBytes, cancellationToken);
        if (read.Refusal is { Code: not RefusalCodes.NotFound } no)
            return no;
        return new Planned(path, read.IsRefused ? null : read.Value, read.IsRefused ? null : read.Value, null);
    }

    private bool IsExecutable(SandboxPath path)
    {
        var opened = tree.Open(path);
        if (opened.IsRefused)
            return false;
        using var file = opened.Value;
        return file.Executable;
    }

    private static Refusal Exists(string path) => new(RefusalCodes.PatchRejected, $"The patch makes '{path}' anew, but it exists already.");

    private static Refusal? ModeRefusal(FilePatch patch, string path)
    {
        foreach (var mode in new[] { patch.OldMode, patch.NewMode, patch.IndexMode }.OfType<string>())
        {
            if (mode == "120000")
                return new(RefusalCodes.Symlink, $"The patch would make or change the symbolic link '{path}'.");
            if (mode == "160000")
                return new(RefusalCodes.GitDirectory, $"The patch would make or change the submodule '{path}'.");
            if (mode is not ("100644" or "100755"))
                return new(RefusalCodes.PatchRejected, $"The patch gives '{path}' the mode '{mode}'; a file has 100644 or 100755.");
        }

        return null;
    }
}
