using System.CommandLine;
using System.ComponentModel;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Postgres;
using Aura.Host.Studio;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Validation;
using Aura.Workflows.Definitions;
using Npgsql;

namespace Aura.Host.Cli;

/// <summary>What <c>aura doctor</c> found of one thing.</summary>
/// <param name="Mend">What to do; empty when all is well.</param>
internal sealed record Finding(string Name, string State, string Detail, string Mend)
{
    public static Finding Ok(string name, string detail) => new(name, "ok", detail, "");

    public static Finding Warn(string name, string detail, string mend) => new(name, "warn", detail, mend);

    public static Finding Fail(string name, string detail, string mend) => new(name, "fail", detail, mend);
}

/// <summary><c>aura doctor</c>: checks tools, database, migrations, jail, disk and files, and says how to mend each.</summary>
internal static class DoctorCommand
{
    private const long LowDisk = 2L << 30;

    public static Command Create()
    {
        var command = new Command("doctor", "Check everything Aura needs, and say how to mend what is wrong.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var options = AuraCli.Options();
            using var processes = new ProcessRunner();
            var findings = new List<Finding>();
            foreach (var (name, program, arguments, package) in Tools)
                findings.Add(await ToolAsync(processes, name, program, arguments, package, cancellationToken));
            findings.Add(await JailAsync(options, processes, cancellationToken));
            findings.AddRange(await DatabaseAsync(options, processes, cancellationToken));
            findings.Add(Disk(options));
            findings.Add(Workflows(options));
            findings.Add(Studio(options));
            findings.Add(Directory.Exists(options.ProjectsDirectory)
                ? Finding.Ok("projects", string.Join(", ", Directory.EnumerateDirectories(options.ProjectsDirectory).Select(Path.GetFileName)))
                : Finding.Fail("projects", $"{options.ProjectsDirectory} is missing", "Create it, or set AURA_PROJECTS."));

            foreach (var finding in findings)
            {
                Console.WriteLine(parsed.IsJson()
                    ? JsonSerializer.Serialize(new { check = finding.Name, state = finding.State, detail = finding.Detail, mend = finding.Mend })
                    : $"{finding.State,-5} {finding.Name,-22} {finding.Detail}{(finding.Mend.Length > 0 ? "\n      → " + finding.Mend : "")}");
            }

            return findings.Exists(f => f.State == "fail") ? ExitCodes.Failed : ExitCodes.Ok;
        });
        return command;
    }

    private static readonly (string Name, string Program, string[] Arguments, string Package)[] Tools =
    [
        ("git", "git", ["--version"], "git"),
        ("bubblewrap", "bwrap", ["--version"], "bubblewrap"),
        ("setpriv", "setpriv", ["--version"], "util-linux"),
        ("prlimit", "prlimit", ["--version"], "util-linux"),
        ("python3", "/usr/bin/python3", ["--version"], "python3"),
        ("pytest", "/usr/bin/python3", ["-c", "import pytest; print(pytest.__version__)"], "python3-pytest"),
        ("flake8", "/usr/bin/python3", ["-c", "import flake8; print(flake8.__version__)"], "python3-flake8"),
        ("coverage", "/usr/bin/python3", ["-c", "import coverage; print(coverage.__version__)"], "python3-coverage"),
        ("flask (demo project)", "/usr/bin/python3", ["-c", "from importlib.metadata import version; print(version('flask'))"], "python3-flask"),
    ];

    private static async Task<Finding> ToolAsync(
        ProcessRunner processes, string name, string program, string[] arguments, string package, CancellationToken cancellationToken)
    {
        try
        {
            var result = await processes.RunAsync(new() { FileName = program, Arguments = arguments, Timeout = TimeSpan.FromSeconds(20) }, cancellationToken);
            if (result.Succeeded)
                return Finding.Ok(name, result.StandardOutput.Trim().Split('\n')[0]);
        }
        catch (Win32Exception)
        {
            // Not installed: said below.
        }

        return Finding.Fail(name, "missing", $"apt-get install {package}");
    }

    private static async Task<Finding> JailAsync(AuraOptions options, ProcessRunner processes, CancellationToken cancellationToken)
    {
        if (options.Isolation == Isolation.None)
            return Finding.Warn("jail", "switched off by AURA_ISOLATION=none", "Unset it: code of a model runs unconfined now.");
        var problem = await new Jail(new JailOptions(), processes, TimeProvider.System).ProbeAsync(cancellationToken);
        return problem is null ? Finding.Ok("jail", "bubblewrap works") : Finding.Fail("jail", "does not work", problem);
    }

    private static async Task<IEnumerable<Finding>> DatabaseAsync(AuraOptions options, ProcessRunner processes, CancellationToken cancellationToken)
    {
        EmbeddedPostgres? postgres = null;
        try
        {
            var connectionString = options.Database;
            if (connectionString is null)
            {
                postgres = new EmbeddedPostgres(options.State, processes, TimeProvider.System);
                connectionString = (await postgres.StartAsync("aiorg", cancellationToken)).ConnectionString("aiorg");
            }

            await using var dataSource = NpgsqlDataSource.Create(connectionString);
            await using var command = dataSource.CreateCommand("SHOW server_version");
            var version = (string?)await command.ExecuteScalarAsync(cancellationToken);
            var pending = new List<string>();
            foreach (var migrator in Composition.Migrators())
                pending.AddRange(await migrator.PendingAsync(dataSource, cancellationToken));
            return
            [
                Finding.Ok("database", $"PostgreSQL {version}, {(options.Database is null ? "embedded" : "given")}"),
                pending.Count == 0
                    ? Finding.Ok("migrations", "all applied")
                    : Finding.Warn("migrations", $"{pending.Count} to apply: {string.Join(", ", pending)}", "The next ./aura up applies them."),
            ];
        }
        catch (Exception e) when (e is NpgsqlException or PostgresUnavailableException or IOException)
        {
            return [Finding.Fail("database", e.Message, options.Database is null
                ? "Start through ./aura, which brings a PostgreSQL, or set AURA_DATABASE."
                : "Check AURA_DATABASE or POSTGRES_*, and that the server runs.")];
        }
        finally
        {
            if (postgres is not null)
                await postgres.DisposeAsync();
        }
    }

    private static Finding Disk(AuraOptions options)
    {
        var free = new DriveInfo(options.Root).AvailableFreeSpace;
        return free > LowDisk
            ? Finding.Ok("disk", $"{free >> 30} GiB free")
            : Finding.Fail("disk", $"{free >> 20} MiB free at {options.Root}", "Free at least 2 GiB, or move SANDBOX_BASE and AURA_STATE to another disk.");
    }

    private static Finding Workflows(AuraOptions options)
    {
        try
        {
            var files = Directory.EnumerateFiles(options.WorkflowsDirectory, "*.json").ToList();
            foreach (var file in files)
                _ = WorkflowDefinition.Parse(File.ReadAllText(file), Path.GetFileName(file));
            return files.Count > 0
                ? Finding.Ok("workflows", string.Join(", ", files.Select(Path.GetFileNameWithoutExtension)))
                : Finding.Fail("workflows", $"none in {options.WorkflowsDirectory}", "Restore the folder, or set AURA_WORKFLOWS.");
        }
        catch (Exception e) when (e is InvalidDefinitionException or IOException)
        {
            return Finding.Fail("workflows", e.Message, "Mend the file, or restore it from git.");
        }
    }

    /// <summary>Workflows run without the designer, so its want is a warning.</summary>
    private static Finding Studio(AuraOptions options)
    {
        if (!StudioPackage.IsThere(options.StudioDirectory))
        {
            return Finding.Warn(
                "studio", $"no Elsa Studio in {options.StudioDirectory}", "Install npm and run ./aura doctor, which fetches it, or set AURA_STUDIO to the package's folder.");
        }

        return StudioPackage.VersionIn(options.StudioDirectory) switch
        {
            StudioPackage.Version => Finding.Ok("studio", $"Elsa Studio {StudioPackage.Version}"),
            var other => Finding.Warn(
                "studio", $"Elsa Studio {other ?? "of unknown version"}, but Aura is made for {StudioPackage.Version}", "Remove the folder and run ./aura doctor, or correct AURA_STUDIO."),
        };
    }
}
