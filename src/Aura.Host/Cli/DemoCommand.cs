using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Orchestra.Employees;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Aura.Host.Cli;

/// <summary><c>aura demo</c>: one PRD from HTTP to the archive, with everything it needs started and stopped again.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var yes = new Option<bool>("--yes", "-y") { Description = "Grant the Director's approval without asking." };
        var backend = new Option<string>("--backend")
        {
            Description = $"Who works: {string.Join(", ", EmployeeBackends.Choices)}. Default scripted, which calls no model.",
            DefaultValueFactory = _ => ScriptedEmployee.BackendName,
        };
        var project = new Option<string>("--project") { Description = "The project in real_projects.", DefaultValueFactory = _ => "demo_flask" };
        var prd = new Option<string?>("--prd") { Description = "Another PRD file instead of the project's own." };
        var command = new Command("demo", """
            See a PRD go from HTTP to the archive: decomposed into jobs, worked on in sandboxes, proven in a jail, approved, merged, archived.

            Examples:
              ./aura demo                      asks you before the merge
              ./aura demo --yes --json         for machines; the last line is the summary
              OLLAMA_HOST=127.0.0.1:11434 ./aura demo --backend ollama
            """) { yes, backend, project, prd };
        command.SetBody((parsed, cancellationToken) => RunAsync(
            parsed.IsJson(), parsed.GetValue(yes), parsed.GetValue(backend)!, parsed.GetValue(project)!, parsed.GetValue(prd), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(bool isJson, bool isGranted, string backend, string project, string? prdFile, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var options = AuraCli.Options(new Dictionary<string, string?> { ["MANAGER_PORT"] = "0", ["AURA_BACKEND"] = backend, ["AURA_ROLES"] = "all" });
        var body = ReadPrd(options, project, prdFile, backend);
        var display = new DemoDisplay(isJson);
        display.Say("Starting the database and the host …");
        await using var host = await AuraHost.StartAsync(options, LogStyle.FileOnly, cancellationToken);
        var status = await host.Services.GetRequiredService<EmployeeBackends>().CheckAsync(backend, cancellationToken);
        if (!status.IsAvailable)
            throw new CliException(ExitCodes.Unavailable, $"The backend '{backend}' cannot be used: {status.Detail}");

        using var manager = new ManagerClient(host.Url, options.WithKeys().DirectorKey);
        var submitted = await manager.PostAsync("/prds", body, cancellationToken);
        var id = submitted.GetProperty("id").GetString()!;
        var title = submitted.GetProperty("title").GetString()!;
        display.Say($"{id} handed in: {title}  (employees: {backend}. {status.Detail})", "submitted");

        var board = await FollowAsync(manager, display, id, title, isGranted, cancellationToken);
        if (board is null)
        {
            display.Say($"Nobody approved {id}. It waits: start the host with ./aura up, then ./aura diff {id} and ./aura approve {id}.");
            return ExitCodes.Failed;
        }

        var prd = await manager.GetAsync($"/prds/{id}", CancellationToken.None);
        return Summarise(isJson, options, host, board, prd, watch.Elapsed);
    }

    /// <summary>Follows the PRD to its end. Null when it waits for a decision that nobody takes.</summary>
    private static async Task<DemoBoard?> FollowAsync(
        ManagerClient manager, DemoDisplay display, string id, string title, bool isGranted, CancellationToken cancellationToken)
    {
        var board = new DemoBoard();
        await using var events = manager.EventsAsync(id, null, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (!board.IsOver)
        {
            if (display.IsLive)
            {
                await AnsiConsole.Live(display.Render(title, board)).AutoClear(true).StartAsync(async live =>
                {
                    while (await NextAsync() && board is { IsOver: false, Status: not "AWAITING_APPROVAL" })
                        live.UpdateTarget(display.Render(title, board));
                });
                AnsiConsole.Write(display.Render(title, board));
            }
            else
            {
                await NextAsync();
            }

            if (board.Status == "AWAITING_APPROVAL")
            {
                if (!await DecideAsync(manager, display, id, isGranted, cancellationToken))
                    return null;
                await NextAsync();
            }
        }

        return board;

        async Task<bool> NextAsync()
        {
            if (!await events.MoveNextAsync())
                return false;
            board = board.Apply(events.Current);
            if (board.Jobs.Any(j => j.Title.Length == 0))
            {
                var jobs = (await manager.GetAsync($"/jobs?prd_id={id}", cancellationToken)).GetProperty("items");
                board = board.WithTitles(jobs.EnumerateArray().Select(j => (j.GetProperty("id").GetString()!, j.GetProperty("title").GetString()!)));
            }

            display.Show(events.Current, board);
            return true;
        }
    }

    /// <summary>Shows what is to be decided, and decides it. False when there is nobody to ask.</summary>
    private static async Task<bool> DecideAsync(ManagerClient manager, DemoDisplay display, string id, bool isGranted, CancellationToken cancellationToken)
    {
        var prd = await manager.GetAsync($"/prds/{id}", cancellationToken);
        var diff = prd.GetProperty("diff").GetString() ?? "";
        var lines = diff.Split('\n');
        display.Say(
            $"The result is proven: {lines.Count(l => l.StartsWith("diff --git ", StringComparison.Ordinal))} files, "
            + $"+{lines.Count(l => l.StartsWith('+') && !l.StartsWith("+++", StringComparison.Ordinal))} "
            + $"−{lines.Count(l => l.StartsWith('-') && !l.StartsWith("---", StringComparison.Ordinal))}; "
            + $"tests before: {Counts(prd, "tests_before")}; after: {Counts(prd, "tests_after")}. Diff {prd.GetProperty("diff_hash").GetString()![..12]}…", "awaiting_approval");
        if (!isGranted)
        {
            if (!display.IsLive || Console.IsInputRedirected)
                return false;
            if (AnsiConsole.Confirm("Show the diff?", defaultValue: false))
                Console.WriteLine(diff);
            if (!AnsiConsole.Confirm("Merge exactly this diff?", defaultValue: false))
            {
                await manager.PostAsync($"/prds/{id}/reject", JsonSerializer.Serialize(new { reason = "Rejected in the demo." }), cancellationToken);
                return true;
            }
        }

        await manager.PostAsync(
            $"/prds/{id}/approve", JsonSerializer.Serialize(new { diff_hash = prd.GetProperty("diff_hash").GetString() }), cancellationToken);
        return true;
    }

    private static int Summarise(bool isJson, AuraOptions options, AuraHost host, DemoBoard board, JsonElement prd, TimeSpan elapsed)
    {
        var id = prd.GetProperty("id").GetString()!;
        var status = prd.GetProperty("status").GetString()!;
        var jobs = prd.GetProperty("jobs").EnumerateArray().ToList();
        var merge = Text(prd, "merge_commit");
        var isProven = status == "ARCHIVED" && merge is not null
            && prd.GetProperty("tests_after") is { ValueKind: JsonValueKind.Object } after
            && after.GetProperty("failed").GetInt32() == 0 && after.GetProperty("passed").GetInt32() > 0;
        if (isJson)
        {
            DemoDisplay.Write(new
            {
                @event = "summary",
                prd = new { id, status },
                jobs = jobs.Select(j => new
                {
                    id = Text(j, "id"),
                    title = Text(j, "title"),
                    status = Text(j, "status"),
                    model = Text(j, "model"),
                    attempts = j.GetProperty("attempt").GetInt32(),
                    score = j.GetProperty("score") is { ValueKind: JsonValueKind.Number } score ? score.GetDouble() : (double?)null,
                }),
                tests = new { before = CountsOf(prd, "tests_before"), after = CountsOf(prd, "tests_after") },
                merge = merge is null ? null : new { branch = Text(prd, "branch"), commit = merge },
                archive = prd.GetProperty("archive") is { ValueKind: JsonValueKind.Object } archive
                    ? new { id = Text(archive, "id"), retention_until = Text(archive, "retention_until") }
                    : null,
                seconds = Math.Round(elapsed.TotalSeconds, 2),
            });
            return isProven ? ExitCodes.Ok : ExitCodes.Failed;
        }

        Console.WriteLine();
        Console.WriteLine($"{id} {status}{(Text(prd, "status_reason") is { Length: > 0 } reason ? ": " + reason : "")}");
        foreach (var job in jobs)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {Text(job, "status"),-10} {Text(job, "title")}  ({Text(job, "model")}, {job.GetProperty("attempt").GetInt32()} attempt(s), score {Score(job)})"));
        }

        Console.WriteLine($"  tests     before: {Counts(prd, "tests_before")}; after: {Counts(prd, "tests_after")}");
        if (merge is not null)
        {
            var repository = Path.GetRelativePath(options.Root, Path.Combine(options.State, "repositories", $"{Text(prd, "project_id")}.git"));
            Console.WriteLine($"  merged    {Text(prd, "branch")} at {merge}");
            Console.WriteLine($"            git --git-dir={repository} log --stat main..{Text(prd, "branch")}");
        }

        if (prd.GetProperty("archive") is { ValueKind: JsonValueKind.Object } kept)
            Console.WriteLine($"  archive   {Text(kept, "id")} in aura.archived_jobs, kept until {Text(kept, "retention_until")}");
        Console.WriteLine($"  snapshots {Path.GetRelativePath(options.Root, options.SnapshotDirectory)}/session-<job>-a<attempt>");
        foreach (var job in jobs)
            Console.WriteLine($"  run log   {Path.GetRelativePath(options.Root, Path.Combine(options.SandboxBase, Text(job, "id")!, "runlog.txt"))}");
        Console.WriteLine("  time      " + string.Join(", ", Times(host, board, elapsed)));
        return isProven ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static IEnumerable<string> Times(AuraHost host, DemoBoard board, TimeSpan elapsed)
    {
        foreach (var (name, variable) in new[] { ("set-up", "AURA_SETUP_SECONDS"), ("build", "AURA_BUILD_SECONDS") })
        {
            if (double.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds >= 0.05)
                yield return Told(name, seconds);
        }

        yield return Told("database", host.DatabaseTime.TotalSeconds);
        yield return Told("host", host.StartTime.TotalSeconds);
        foreach (var phase in DemoBoard.Phases.Where(board.Seconds.ContainsKey))
            yield return Told(phase is "employees" or "validation" ? phase + " (sum over jobs)" : phase, board.Seconds[phase]);
        yield return Told("in all", elapsed.TotalSeconds);

        static string Told(string name, double seconds) => string.Create(CultureInfo.InvariantCulture, $"{name} {seconds:0.0} s");
    }

    private static string ReadPrd(AuraOptions options, string project, string? file, string backend)
    {
        var folder = Path.Combine(options.ProjectsDirectory, project, "prds");
        file ??= Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).FirstOrDefault(f => !f.EndsWith(".script.json", StringComparison.Ordinal))
            : null;
        if (file is null)
            throw new CliException(ExitCodes.Usage, $"There is no PRD in {folder}. Name one with --prd.");
        if (!File.Exists(file))
            throw new CliException(ExitCodes.Usage, $"There is no file '{file}'.");
        try
        {
            var prd = JsonNode.Parse(File.ReadAllText(file)) as JsonObject ?? throw new CliException(ExitCodes.Usage, $"{file} holds no JSON object.");
            prd["backend"] = backend;
            return prd.ToJsonString();
        }
        catch (JsonException e)
        {
            throw new CliException(ExitCodes.Usage, $"{file} is not valid JSON: {e.Message}");
        }
    }

    private static object? CountsOf(JsonElement prd, string name) => prd.GetProperty(name) is { ValueKind: JsonValueKind.Object } counts
        ? new { passed = counts.GetProperty("passed").GetInt32(), failed = counts.GetProperty("failed").GetInt32() }
        : null;

    private static string Counts(JsonElement prd, string name) => prd.GetProperty(name) is { ValueKind: JsonValueKind.Object } counts
        ? $"{counts.GetProperty("passed")} passed, {counts.GetProperty("failed")} failed"
        : "not run";

    private static string Score(JsonElement job) =>
        job.GetProperty("score") is { ValueKind: JsonValueKind.Number } score ? score.GetDouble().ToString("0.00", CultureInfo.InvariantCulture) : "–";

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
