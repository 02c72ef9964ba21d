using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Storage;
using Npgsql;

namespace Aura.Orchestra.Tools;

/// <summary>Who works in a sandbox, and for what.</summary>
/// <param name="Name">The model, or the person.</param>
/// <param name="JobId">Null in a sandbox that a person opened for themselves.</param>
public sealed record ToolActor(string Name, string? JobId, int Attempt);

/// <param name="Total">Null when it is not known.</param>
public sealed record ToolProgress(double Done, double? Total, string Message);

/// <summary>
/// The tools over one sandbox: the one core behind MCP, the plain endpoints and the adapters. Every change and every refusal leaves an event.
/// </summary>
public sealed class ToolSession
{
    private const int DefaultPage = 500;
    private const int MaxReadText = 256 * 1024;
    private const int MaxTarget = 300;
    private const int MaxGlob = 500;

    /// <summary>How long the record of what was done may take when nobody waits for it any more.</summary>
    private static readonly TimeSpan RecordLimit = TimeSpan.FromSeconds(15);

    private readonly ToolSessions _services;

    internal ToolSession(ToolSessions services, Sandbox sandbox, ToolActor actor) => (_services, Sandbox, Actor) = (services, sandbox, actor);

    public Sandbox Sandbox { get; }

    public ToolActor Actor { get; }

    private NpgsqlDataSource Db => _services.DataSource;

    /// <summary>Does one call. A refusal is a value that a model can act on; exceptions mean that the machine is broken.</summary>
    /// <param name="arguments">A JSON object; anything else is refused.</param>
    public Task<ToolResult> CallAsync(
        string tool, JsonElement arguments, IProgress<ToolProgress>? progress = null, CancellationToken cancellationToken = default) =>
        CallAsync(tool, ToolArguments.Of(arguments), progress, cancellationToken);

    /// <inheritdoc cref="CallAsync(string, JsonElement, IProgress{ToolProgress}?, CancellationToken)"/>
    /// <param name="arguments">By their names; null is refused.</param>
    public async Task<ToolResult> CallAsync(
        string tool, IReadOnlyDictionary<string, JsonElement>? arguments, IProgress<ToolProgress>? progress, CancellationToken cancellationToken)
    {
        var record = new List<NpgsqlBatchCommand>();
        if (ToolCatalog.Find(tool) is not { } definition)
        {
            var known = string.Join(", ", ToolCatalog.All.Select(t => t.Name));
            return await ToldAsync(
                "unknown", "", ToolResult.Refused(ToolCodes.UnknownTool, $"There is no tool '{Cut(tool)}'. Use one of: {known}."), record, null);
        }

        var given = new ToolArguments(definition, arguments);
        var call = new Call(given, record, progress, cancellationToken);
        var result = given.Problem
            ?? (!definition.IsReadOnly && tool != ToolNames.Submit && await Submission.OfAsync(Sandbox, cancellationToken) is not null
                ? ToolResult.Refused(ToolCodes.Submitted, "The work was submitted; nothing can be changed any more.")
                : await DispatchAsync(tool, call));
        // What was looked at goes on record for its reader; who hung up has read nothing. What was done or refused stays so.
        return await ToldAsync(tool, call.Target, result, record, definition.IsReadOnly && !result.IsRefused ? cancellationToken : null);
    }

    private Task<ToolResult> DispatchAsync(string tool, Call call) => tool switch
    {
        ToolNames.JobBrief => BriefAsync(call),
        ToolNames.ListFiles => ListAsync(call),
        ToolNames.ReadFile => ReadAsync(call),
        ToolNames.SearchFiles => SearchAsync(call),
        ToolNames.WriteFile => WriteAsync(call),
        ToolNames.DeleteFile => DeleteAsync(call),
        ToolNames.ApplyPatch => PatchAsync(call),
        ToolNames.CreateSnapshot => SnapshotAsync(call),
        ToolNames.RestoreSnapshot => RestoreAsync(call),
        ToolNames.Diff => DiffAsync(call),
        ToolNames.RunTests => TestAsync(call),
        ToolNames.ReportProgress => Task.FromResult(Progress(call)),
        ToolNames.Submit => SubmitAsync(call),
        _ => throw new InvalidOperationException($"The tool '{tool}' is in the catalogue, but nothing does it."),
    };

    private async Task<ToolResult> BriefAsync(Call call)
    {
        var brief = await _services.BriefAsync(this, call.Cancel);
        return ToolResult.Done(brief.ToText(), brief);
    }

    private Task<ToolResult> ListAsync(Call call)
    {
        var pattern = call.Given.OptionalText("pattern", MaxGlob) is { Length: > 0 } given ? given : Glob.Everything.Pattern;
        var limit = call.Given.Integer("limit", 1, 2000) ?? DefaultPage;
        var cursor = call.Given.OptionalText("cursor", 2048) is { Length: > 0 } c ? c : null;
        call.Target = pattern;
        return Task.FromResult(call.Given.Problem ?? List(pattern, limit, cursor));
    }

    private ToolResult List(string pattern, int limit, string? cursor)
    {
        var after = cursor is null ? null : Cursors.Read(cursor);
        if (cursor is not null && after is null)
            return BadCursor(ToolNames.ListFiles);
        if (Glob.TryCreate(pattern) is not { } glob)
            return BadGlob(pattern);
        var files = Sandbox.ListFiles(glob).Where(f => after is null || string.CompareOrdinal(f.Path, after) > 0).Take(limit + 1).ToList();
        var next = files.Count > limit ? Cursors.Write(files[limit - 1].Path) : null;
        var page = files.Take(limit).ToList();
        var text = page.Count == 0 ? "" : string.Join('\n', page.Select(f => f.Path));
        if (next is not null)
            text += $"\n… there are more files; call again with cursor \"{next}\".";
        return ToolResult.Done(text, new { files = page.Select(f => new { f.Path, f.Size }), next_cursor = next });
    }

    private async Task<ToolResult> ReadAsync(Call call)
    {
        var path = call.Target = call.Given.Text("path", 1024);
        var first = call.Given.Integer("start_line", 1, int.MaxValue);
        var last = call.Given.Integer("end_line", 1, int.MaxValue);
        if (call.Given.Problem is { } problem)
            return problem;
        if (last < (first ?? 1))
            return ToolResult.Refused(ToolCodes.InvalidArguments, $"read_file: 'end_line' ({last}) lies before 'start_line' ({first ?? 1}).");
        var read = await Sandbox.ReadFileAsync(path, call.Cancel);
        if (read.Refusal is { } refusal)
            return Refused(refusal);
        if (read.Value.Contains('\0', StringComparison.Ordinal))
            return ToolResult.Refused(RefusalCodes.NotText, $"The file '{path}' is binary (it holds NUL). Only text can be read.");
        return Range(path, read.Value, first ?? 1, last);
    }

    private static ToolResult Range(string path, string text, int first, int? last)
    {
        var lines = text.Split('\n');
        // A newline at the end ends the last line; it begins none.
        var total = lines.Length - (text.EndsWith('\n') || text.Length == 0 ? 1 : 0);
        if (first > Math.Max(total, 1))
            return ToolResult.Refused(ToolCodes.InvalidArguments, $"read_file: '{path}' has {total} lines; start_line {first} lies behind its end.");
        var end = Math.Min(last ?? total, total);
        // Ranges put together give the file: its last line has a newline only where the file has one.
        var content = first == 1 && end == total ? text : string.Join('\n', lines[(first - 1)..end]) + (end < lines.Length ? "\n" : "");
        if (content.Length > MaxReadText)
        {
            var cut = content.LastIndexOf('\n', MaxReadText - 1) is >= 0 and var at ? at + 1 : MaxReadText;
            content = content[..cut];
            end = first + content.Count('\n') - 1;
        }

        int? next = end < Math.Min(last ?? total, total) ? Math.Max(end, first) + 1 : null;
        return ToolResult.Done(
            next is null ? content : $"{content}\n… the file goes on; call again with start_line {next} (it has {total} lines).",
            new { path, content, start_line = first, end_line = end, total_lines = total, next_line = next });
    }

    private async Task<ToolResult> SearchAsync(Call call)
    {
        var pattern = call.Target = call.Given.Text("pattern", 1000);
        var among = call.Given.OptionalText("glob", MaxGlob) is { Length: > 0 } given ? given : Glob.Everything.Pattern;
        var ignoreCase = call.Given.Flag("ignore_case");
        var context = call.Given.Integer("context", 0, 10) ?? 0;
        var limit = call.Given.Integer("limit", 1, 500) ?? 100;
        var cursor = call.Given.OptionalText("cursor", 2048) is { Length: > 0 } c ? c : null;
        if (call.Given.Problem is { } problem)
            return problem;
        var after = cursor is null ? null : FileSearch.PlaceOf(cursor);
        if (cursor is not null && after is null)
            return BadCursor(ToolNames.SearchFiles);
        return Glob.TryCreate(among) is { } glob
            ? await FileSearch.RunAsync(Sandbox, new(pattern, glob, ignoreCase, context, limit, after), call.Progress, call.Cancel)
            : BadGlob(among);
    }

    private async Task<ToolResult> WriteAsync(Call call)
    {
        var path = call.Target = call.Given.Text("path", 1024);
        var content = call.Given.Text("content", int.MaxValue, mayBeEmpty: true);
        return call.Given.Problem ?? Changed(await Sandbox.WriteFileAsync(path, content, call.Cancel), call);
    }

    private async Task<ToolResult> DeleteAsync(Call call)
    {
        var path = call.Target = call.Given.Text("path", 1024);
        return call.Given.Problem ?? Changed(await Sandbox.DeleteFileAsync(path, call.Cancel), call);
    }

    private async Task<ToolResult> PatchAsync(Call call)
    {
        var patch = call.Given.Text("patch", int.MaxValue);
        if (call.Given.Problem is { } problem)
            return problem;
        call.Target = string.Join(", ", PatchText.PathsOf(patch));
        return Changed(await Sandbox.ApplyPatchAsync(patch, call.Cancel), call);
    }

    private async Task<ToolResult> SnapshotAsync(Call call)
    {
        var label = call.Target = call.Given.OptionalText("label", 200) is { Length: > 0 } given ? given : "by hand";
        if (call.Given.Problem is { } problem)
            return problem;
        var taken = await Sandbox.CreateSnapshotAsync(label, call.Cancel);
        if (taken.Refusal is { } refusal)
            return Refused(refusal);
        Record(taken.Value, call);
        return ToolResult.Done($"Snapshot {taken.Value.Sequence} ('{label}') is taken.", new { snapshot = taken.Value.Sequence, label, taken.Value.CreatedAt });
    }

    private async Task<ToolResult> RestoreAsync(Call call)
    {
        var sequence = call.Given.Integer("snapshot", 1, int.MaxValue);
        var label = call.Given.OptionalText("label", 200);
        if (call.Given.Problem is { } problem)
            return problem;
        if (sequence is null == label is null)
            return ToolResult.Refused(ToolCodes.InvalidArguments, "restore_snapshot: give either 'snapshot' (its number) or 'label'.");
        call.Target = sequence?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? label!;
        sequence ??= (await Sandbox.ListSnapshotsAsync(call.Cancel)).LastOrDefault(s => s.Label == label)?.Sequence;
        return sequence is { } number
            ? Changed(await Sandbox.RestoreSnapshotAsync(number, call.Cancel), call)
            : ToolResult.Refused(RefusalCodes.NotFound, $"There is no snapshot with the label '{label}'.");
    }

    private async Task<ToolResult> DiffAsync(Call call)
    {
        var diff = await Sandbox.DiffAsync(call.Cancel);
        if (diff.Refusal is { } refusal)
            return Refused(refusal);
        var value = diff.Value;
        return ToolResult.Done(value.IsEmpty ? "Nothing was changed yet." : value.Text, new
        {
            diff = value.Text,
            diff_hash = value.Hash,
            files = value.Files.Select(f => new { f.Path, change = f.IsAdded ? "added" : f.IsDeleted ? "deleted" : "changed", f.Added, f.Deleted }),
            base_commit = Sandbox.Metadata.BaseCommit,
        });
    }

    private async Task<ToolResult> TestAsync(Call call)
    {
        var paths = call.Given.Texts("paths", 50, 1024);
        call.Target = string.Join(", ", paths);
        return call.Given.Problem ?? await _services.Tests.RunAsync(Sandbox, paths, call.Progress, call.Cancel);
    }

    private ToolResult Progress(Call call)
    {
        var message = call.Given.Text("message", 1000);
        var percent = call.Given.Integer("percent", 0, 100);
        if (call.Given.Problem is { } problem)
            return problem;
        call.Record.Add(Said("progress", new { Actor.Attempt, message, percent }));
        return ToolResult.Done("Noted.", new { noted = true });
    }

    private async Task<ToolResult> SubmitAsync(Call call)
    {
        var explanation = call.Given.Text("explanation", 10_000);
        var confidence = call.Given.Number("self_confidence", 0, 1);
        if (call.Given.Problem is { } problem)
            return problem;
        if (await Submission.OfAsync(Sandbox, call.Cancel) is { } before)
        {
            return before.Explanation == explanation && before.SelfConfidence.Equals(confidence)
                ? Done(before)
                : ToolResult.Refused(ToolCodes.Submitted, "The work was submitted already; the first submission stands.");
        }

        var diff = await Sandbox.DiffAsync(call.Cancel);
        if (diff.Refusal is { } refusal)
            return Refused(refusal);
        var submission = new Submission(explanation, confidence, diff.Value.Hash, diff.Value.Files.Count, _services.Time.GetUtcNow());
        await submission.SaveAsync(Sandbox, call.Cancel);
        call.Record.Add(Said("handed_in", new { Actor.Attempt, explanation, self_confidence = confidence, submission.DiffHash, submission.Files }));
        return Done(submission);

        static ToolResult Done(Submission submission) => ToolResult.Done(
            submission.Files == 0
                ? "Submitted, though nothing was changed. The validator judges now; you are done."
                : $"Submitted: {submission.Files} changed files. The validator judges now; you are done.",
            new { submitted = true, submission.Files, submission.DiffHash });
    }

    private ToolResult Changed(SandboxResult<SandboxChange> result, Call call)
    {
        if (result.Refusal is { } refusal)
            return Refused(refusal);
        Record(result.Value.Before, call);
        return ToolResult.Done(
            $"Changed: {string.Join(", ", result.Value.Paths)}", new { changed = result.Value.Paths, snapshot_before = result.Value.Before.Sequence });
    }

    // Only sandboxes of jobs have rows of their snapshots.
    private void Record(Snapshot snapshot, Call call)
    {
        if (Actor.JobId is not null)
            call.Record.Add(JobChanges.Snapshot(Sandbox.Id, snapshot.Sequence, snapshot.Label, snapshot.Commit));
    }

    /// <summary>What changed something or was refused goes on record; looking around does not, but reading a file does. One transaction a call.</summary>
    /// <param name="cancellationToken">Null when it goes on record also for a caller who hung up.</param>
    private async Task<ToolResult> ToldAsync(
        string tool, string target, ToolResult result, List<NpgsqlBatchCommand> record, CancellationToken? cancellationToken)
    {
        if (result.IsRefused || tool is not (ToolNames.ListFiles or ToolNames.SearchFiles or ToolNames.JobBrief or ToolNames.ReportProgress or ToolNames.Submit))
        {
            record.Add(Said("tool", new
            {
                Actor.Attempt,
                tool,
                target = Cut(target),
                refused = result.RefusalCode,
                reason = result.IsRefused ? Cut(result.Text, 1000) : null,
            }));
        }

        if (record.Count == 0)
            return result;
        if (cancellationToken is { } cancel)
        {
            // That something was looked at need not survive a crash of the database: the next call does not wait for the disk.
            await Db.CommitAsync(record, cancel, isDurable: false);
            return result;
        }

        using var limit = new CancellationTokenSource(RecordLimit, _services.Time);
        try
        {
            await Db.CommitAsync(record, limit.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new NpgsqlException($"The database took no record of a call within {RecordLimit.TotalSeconds:0} s.", new TimeoutException(null, e));
        }

        return result;
    }

    private NpgsqlBatchCommand Said(string what, object data) => Actor.JobId is { } job
        ? EventChanges.OfJob(job, $"job.{what}", data) : EventChanges.OfSandbox(Sandbox.Id, Actor.Name, $"sandbox.{what}", data);

    private static ToolResult Refused(Refusal refusal) => ToolResult.Refused(refusal.Code, refusal.Message);

    private static ToolResult BadCursor(string tool) => ToolResult.Refused(
        ToolCodes.InvalidArguments, $"{tool}: 'cursor' is none that this tool gave. Leave it out to begin anew.");

    private static ToolResult BadGlob(string pattern) => ToolResult.Refused(
        ToolCodes.InvalidPattern, $"'{Cut(pattern)}' cannot be read as a glob. Use *, **, ?, {{a,b}} and [ab].");

    private static string Cut(string text, int length = MaxTarget) => text.Length > length ? text[..length] + "…" : text;

    private sealed class Call(
        ToolArguments given, List<NpgsqlBatchCommand> record, IProgress<ToolProgress>? progress, CancellationToken cancellationToken)
    {
        public ToolArguments Given => given;

        /// <summary>What is to be written down of the call.</summary>
        public List<NpgsqlBatchCommand> Record => record;

        public IProgress<ToolProgress>? Progress => progress;
        public CancellationToken Cancel => cancellationToken;

        /// <summary>What the call is about, for the record.</summary>
        public string Target { get; set; } = "";
    }
}
