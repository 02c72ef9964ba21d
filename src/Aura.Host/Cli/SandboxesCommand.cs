using System.CommandLine;
using System.Text.Json;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;

namespace Aura.Host.Cli;

/// <summary><c>aura sandboxes</c> and <c>aura snapshots</c>: what is on this machine's disk, whether it is whole, and what can go.</summary>
internal static class SandboxesCommand
{
    public static Command CreateSandboxes() => new("sandboxes", """
        Working copies of employees on this machine: list, verify, gc. Needs no host.

        The watchdog removes those whose job has ended, AURA_SANDBOX_RETENTION_DAYS (7) after its end.
        """)
    { List(), VerifySandboxes(), CollectSandboxes() };

    public static Command CreateSnapshots() => new("snapshots", "Saved states of sandboxes on this machine: verify, gc. Needs no host.")
    { VerifySnapshots(), CollectSnapshots() };

    private static Command List() => Verb(
        "list", "List sandboxes with job, attempt, project, age and number of snapshots.", async (parsed, work, cancellationToken) =>
    {
        var rows = new List<object>();
        foreach (var sandbox in work.Store.List())
        {
            var report = await work.Keeper.CountAsync(sandbox.SandboxId, cancellationToken);
            rows.Add(new
            {
                id = sandbox.SandboxId,
                job = sandbox.JobId,
                attempt = sandbox.Attempt,
                project = sandbox.ProjectName,
                created_at = sandbox.CreatedAt,
                snapshots = report,
            });
        }

        if (parsed.IsJson())
            Console.WriteLine(JsonSerializer.Serialize(new { items = rows }));
        else
            ManagerCommands.Table(JsonSerializer.SerializeToElement(rows), "id", "job", "attempt", "project", "created_at", "snapshots");
        return ExitCodes.Ok;
    });

    private static Command VerifySandboxes()
    {
        var id = new Argument<string?>("id") { Description = "Only this sandbox.", Arity = ArgumentArity.ZeroOrOne };
        var command = Verb(
            "verify", "Check every sandbox's folder and its snapshots. Ends with 1 when something is missing or damaged.", async (parsed, work, cancellationToken) =>
        {
            var only = parsed.GetValue(id);
            var ids = only is null ? work.Store.Ids() : [only];
            var problems = new List<string>();
            foreach (var sandbox in ids)
            {
                problems.AddRange(work.Store.Check(sandbox).Select(p => $"{sandbox}: {p}"));
                problems.AddRange((await work.Keeper.VerifyAsync(sandbox, cancellationToken)).Problems.Select(p => $"{sandbox}: {p}"));
            }

            return Tell(parsed, $"{ids.Count} sandboxes", new { sandboxes = ids.Count, problems }, problems);
        });
        command.Arguments.Add(id);
        return command;
    }

    private static Command CollectSandboxes() => Verb(
        "gc", "Remove what dead processes left: half-built copies, lock files, empty folders. Living sandboxes are not touched.",
        (parsed, work, _) =>
        {
            var removed = work.Store.RemoveLeftovers();
            Console.WriteLine(parsed.IsJson() ? JsonSerializer.Serialize(new { removed }) : $"{removed} leftovers removed.");
            return Task.FromResult(ExitCodes.Ok);
        });

    private static Command VerifySnapshots() => Verb(
        "verify", "Read every undo log and every content that it names. Ends with 1 when something is missing or damaged.",
        async (parsed, work, cancellationToken) =>
        {
            var report = await work.Keeper.VerifyAsync(cancellationToken: cancellationToken);
            return Tell(
                parsed, $"{report.Logs} logs, {report.Snapshots} snapshots, {report.Objects} objects, {report.Bytes} bytes",
                new { logs = report.Logs, snapshots = report.Snapshots, objects = report.Objects, bytes = report.Bytes, problems = report.Problems },
                report.Problems);
        });

    private static Command CollectSnapshots() => Verb(
        "gc", "Remove contents that no snapshot needs. Safe while employees write.",
        async (parsed, work, cancellationToken) =>
        {
            try
            {
                var gone = await work.Keeper.CollectAsync(cancellationToken);
                Console.WriteLine(parsed.IsJson()
                    ? JsonSerializer.Serialize(new { removed = gone.Objects, bytes = gone.Bytes, kept = gone.Kept })
                    : $"{gone.Objects} objects removed, {gone.Bytes} bytes freed; {gone.Kept} objects are needed.");
                return ExitCodes.Ok;
            }
            catch (InvalidDataException e)
            {
                throw new CliException(ExitCodes.Failed, $"{e.Message} Nothing was removed, because nobody can tell what that log needs.");
            }
        });

    private sealed record Work(SandboxStore Store, SnapshotKeeper Keeper);

    private static Command Verb(string name, string description, Func<ParseResult, Work, CancellationToken, Task<int>> body)
    {
        var command = new Command(name, description);
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var options = AuraCli.Options().Sandboxes();
            using var processes = new ProcessRunner();
            return await body(parsed, new(new(options, new(processes), TimeProvider.System), new(options, TimeProvider.System)), cancellationToken);
        });
        return command;
    }

    private static int Tell(ParseResult parsed, string summary, object json, IReadOnlyList<string> problems)
    {
        if (parsed.IsJson())
        {
            Console.WriteLine(JsonSerializer.Serialize(json));
        }
        else
        {
            foreach (var problem in problems)
                Console.WriteLine(problem);
            Console.WriteLine($"{summary}: {(problems.Count == 0 ? "all whole" : $"{problems.Count} problems")}.");
        }

        return problems.Count == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }
}
