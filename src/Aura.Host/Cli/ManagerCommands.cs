using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Aura.Host.Cli;

/// <summary>The verbs that ask a running manager: prd, jobs, job, logs, diff, approve, reject, users.</summary>
internal static class ManagerCommands
{
    public static IEnumerable<Command> Create()
    {
        yield return new Command("prd", "Product requirement documents: submit, list, show.") { Submit(), List(), Show() };
        yield return Jobs();
        yield return new Command("job", "One job.") { ShowJob() };
        yield return Logs();
        yield return Diff();
        yield return Approve();
        yield return Reject();
        yield return UserCommands.Create();
    }

    private static Command Submit()
    {
        var file = new Argument<string>("file") { Description = "A JSON file as POST /prds takes it, or - for standard input." };
        var command = new Command("submit", """
            Hand in a PRD.

            Examples:
              ./aura prd submit real_projects/demo_flask/prds/find-notes.json
              jq '.title = "Again"' my-prd.json | ./aura prd submit -
            """) { file };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var path = parsed.GetValue(file)!;
            if (path != "-" && !File.Exists(path))
                throw new CliException(ExitCodes.Usage, $"There is no file '{path}'.");
            var json = path == "-" ? await Console.In.ReadToEndAsync(cancellationToken) : await File.ReadAllTextAsync(path, cancellationToken);
            using var manager = AuraCli.Manager(parsed);
            var prd = await manager.PostAsync("/prds", json, cancellationToken);
            if (!Raw(parsed, prd))
                Console.WriteLine($"{Text(prd, "id")} {Text(prd, "status")}: {Text(prd, "title")}. Watch it with: ./aura logs -f --prd {Text(prd, "id")}");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List PRDs, newest first.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var page = await manager.GetAsync("/prds", cancellationToken);
            if (!Raw(parsed, page))
                Table(page.GetProperty("items"), "id", "status", "project_id", "title", "created_at");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Show()
    {
        var (command, id) = WithId("show", "PRD", "Show a PRD with its jobs.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var prd = await manager.GetAsync($"/prds/{Escaped(parsed, id)}", cancellationToken);
            if (Raw(parsed, prd))
                return ExitCodes.Ok;
            foreach (var name in new[] { "id", "title", "status", "status_reason", "project_id", "branch", "base_commit", "head_commit", "merge_commit", "diff_hash" })
            {
                if (Text(prd, name) is { Length: > 0 } value)
                    Console.WriteLine($"{name,-14} {value}");
            }

            foreach (var name in new[] { "tests_before", "tests_after" })
            {
                if (prd.TryGetProperty(name, out var counts) && counts.ValueKind == JsonValueKind.Object)
                    Console.WriteLine($"{name,-14} {counts.GetProperty("passed")} passed, {counts.GetProperty("failed")} failed, {counts.GetProperty("skipped")} skipped");
            }

            Table(prd.GetProperty("jobs"), "id", "status", "model", "attempt", "score", "title");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Jobs()
    {
        var prd = new Option<string?>("--prd") { Description = "Only jobs of this PRD." };
        var status = new Option<string?>("--status") { Description = "Only jobs in this status." };
        var command = new Command("jobs", "List jobs, newest first.") { prd, status };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var query = string.Join('&', new[] { ("prd_id", parsed.GetValue(prd)), ("status", parsed.GetValue(status)) }
                .Where(p => p.Item2 is not null).Select(p => $"{p.Item1}={Uri.EscapeDataString(p.Item2!)}"));
            var page = await manager.GetAsync("/jobs" + (query.Length > 0 ? "?" + query : ""), cancellationToken);
            if (!Raw(parsed, page))
                Table(page.GetProperty("items"), "id", "prd_id", "status", "model", "attempt", "score", "title");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command ShowJob()
    {
        var (command, id) = WithId("show", "job", "Show a job: timeline, ticks, snapshots, diff, run log.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var job = await manager.GetAsync($"/jobs/{Escaped(parsed, id)}", cancellationToken);
            if (Raw(parsed, job))
                return ExitCodes.Ok;
            Console.WriteLine($"{Text(job, "id")} {Text(job, "status")}: {Text(job, "title")}");
            foreach (var tick in job.GetProperty("ticks").EnumerateArray())
                Console.WriteLine($"  attempt {tick.GetProperty("attempt")}  {(tick.GetProperty("passed").GetBoolean() ? "ok  " : "FAIL")} {Text(tick, "name"),-16} {Text(tick.GetProperty("details"), "detail")}");
            foreach (var line in job.GetProperty("timeline").EnumerateArray())
                Console.WriteLine($"  {Text(line, "created_at")}  {Text(line, "type")}");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Logs()
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until Ctrl-C." };
        var prd = new Option<string?>("--prd") { Description = "Only events of this PRD." };
        var command = new Command("logs", "Show the events of all PRDs, oldest first; with -f as they happen.") { follow, prd };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var isFollowing = parsed.GetValue(follow);
            if (!isFollowing)
                silence.CancelAfter(TimeSpan.FromSeconds(2));
            try
            {
                await foreach (var e in manager.EventsAsync(parsed.GetValue(prd), null, silence.Token))
                {
                    // Without -f the feed's silence is its end.
                    if (!isFollowing)
                        silence.CancelAfter(TimeSpan.FromMilliseconds(500));
                    Console.WriteLine(parsed.IsJson() ? e.Data.GetRawText() : EventLine.Of(e));
                }
            }
            catch (OperationCanceledException) when (!isFollowing && !cancellationToken.IsCancellationRequested)
            {
                // All there was has been shown.
            }

            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Diff()
    {
        var (command, id) = WithId("diff", "PRD or job", "Print the diff of a PRD, or of a job's last submission.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var value = Escaped(parsed, id);
            var found = await manager.GetAsync((value.StartsWith("job-", StringComparison.Ordinal) ? "/jobs/" : "/prds/") + value, cancellationToken);
            var diff = Text(found, "diff");
            if (parsed.IsJson())
                Console.WriteLine(JsonSerializer.Serialize(new { id = value, diff_hash = Text(found, "diff_hash"), diff }));
            else
                Console.Write(string.IsNullOrEmpty(diff) ? $"{value} has no diff yet.\n" : diff);
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Approve()
    {
        var (command, id) = WithId("approve", "PRD", "Approve exactly the diff that the PRD has now; it is merged and archived.");
        var hash = new Option<string?>("--diff-hash") { Description = "Approve only if the diff has this hash; default: the one it has now." };
        command.Options.Add(hash);
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var path = $"/prds/{Escaped(parsed, id)}";
            var wanted = parsed.GetValue(hash) ?? Text(await manager.GetAsync(path, cancellationToken), "diff_hash")
                ?? throw new CliException(ExitCodes.Conflict, "The PRD has no diff to approve yet.");
            var prd = await manager.PostAsync($"{path}/approve", JsonSerializer.Serialize(new { diff_hash = wanted }), cancellationToken);
            if (!Raw(parsed, prd))
                Console.WriteLine($"{Text(prd, "id")} approved: {wanted}");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Reject()
    {
        var (command, id) = WithId("reject", "PRD", "Reject a PRD's result, with the reason.");
        var reason = new Option<string>("--reason") { Description = "Why.", Required = true };
        command.Options.Add(reason);
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var prd = await manager.PostAsync(
                $"/prds/{Escaped(parsed, id)}/reject", JsonSerializer.Serialize(new { reason = parsed.GetValue(reason) }), cancellationToken);
            if (!Raw(parsed, prd))
                Console.WriteLine($"{Text(prd, "id")} rejected.");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static (Command Command, Argument<string> Id) WithId(string name, string what, string description)
    {
        var id = new Argument<string>("id") { Description = $"The {what}'s id." };
        return (new Command(name, description) { id }, id);
    }

    private static string Escaped(ParseResult parsed, Argument<string> id) => Uri.EscapeDataString(parsed.GetValue(id)!);

    internal static bool Raw(ParseResult parsed, JsonElement value)
    {
        if (parsed.IsJson())
            Console.WriteLine(value.GetRawText());
        return parsed.IsJson();
    }

    internal static string? Text(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
        ? value.ValueKind switch
        {
            JsonValueKind.String => value.GetString(),
            JsonValueKind.Number => value.GetDouble().ToString("0.###", CultureInfo.InvariantCulture),
            JsonValueKind.Null => null,
            _ => value.GetRawText(),
        }
        : null;

    internal static void Table(JsonElement items, params string[] columns)
    {
        if (Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is not null)
        {
            foreach (var item in items.EnumerateArray())
                Console.WriteLine(string.Join('\t', columns.Select(c => Text(item, c) ?? "-")));
            return;
        }

        var table = new Table().Border(TableBorder.Rounded).AddColumns(columns);
        foreach (var item in items.EnumerateArray())
            table.AddRow(columns.Select(c => Markup.Escape(Text(item, c) ?? "–")).ToArray());
        AnsiConsole.Write(table);
    }
}
