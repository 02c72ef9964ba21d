using System.Diagnostics;
using System.Globalization;
using Aura.Host.Postgres;
using Aura.Orchestra.Processes;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Bench;

/// <summary>
/// A PostgreSQL of its own for the measurements, with a fresh database a workload, and pgbench against the same server:
/// what Aura is compared with.
/// </summary>
internal sealed class BenchServer : IAsyncDisposable
{
    private readonly EmbeddedPostgres? _embedded;
    private readonly NpgsqlConnectionStringBuilder _server;

    private BenchServer(EmbeddedPostgres? embedded, string connectionString)
    {
        _embedded = embedded;
        _server = new(connectionString);
    }

    /// <summary>Takes the server in <c>AURA_BENCH_POSTGRES</c> (a connection string), else starts one in the state folder.</summary>
    /// <param name="folder">Below the state folder: who restarts its server needs one of its own.</param>
    public static async Task<BenchServer> StartAsync(string state, string folder = "bench")
    {
        if (Environment.GetEnvironmentVariable("AURA_BENCH_POSTGRES") is { Length: > 0 } given)
            return new(null, given);
        var embedded = new EmbeddedPostgres(Path.Combine(state, folder), new ProcessRunner(), TimeProvider.System);
        var server = await embedded.StartAsync("postgres");
        return new(embedded, server.ConnectionString("postgres"));
    }

    /// <summary>Whether the server is this program's own.</summary>
    public bool CanRestart => _embedded is not null;

    /// <param name="mode">As pg_ctl names it: <c>fast</c> ends the sessions, <c>immediate</c> is a crash.</param>
    public Task RestartAsync(string mode) => _embedded?.RestartAsync(mode) ?? throw new InvalidOperationException("The server is not ours.");

    public async Task DropDatabaseAsync(string name)
    {
        await using var admin = NpgsqlDataSource.Create(_server.ConnectionString + ";Pooling=false");
        await using var drop = admin.CreateCommand($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        await drop.ExecuteNonQueryAsync();
    }

    /// <summary>A migrated, empty database.</summary>
    public async Task<string> CreateDatabaseAsync(string name)
    {
        await DropDatabaseAsync(name);
        await using (var admin = NpgsqlDataSource.Create(_server.ConnectionString + ";Pooling=false"))
        {
            await using var create = admin.CreateCommand($"CREATE DATABASE {name}");
            await create.ExecuteNonQueryAsync();
        }

        var connectionString = new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Database = name, MaxPoolSize = 40, IncludeErrorDetail = true }.ConnectionString;
        await using var source = NpgsqlDataSource.Create(connectionString);
        await new SqlMigrator("wf", typeof(SqlMigrator).Assembly).ApplyAsync(source);
        return connectionString;
    }

    /// <summary>Transactions a second of a pgbench script.</summary>
    /// <exception cref="InvalidOperationException">There is no pgbench, or it failed.</exception>
    public async Task<double> PgbenchAsync(string connectionString, string script, int clients, TimeSpan time)
    {
        var target = new NpgsqlConnectionStringBuilder(connectionString);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, script);
            var start = new ProcessStartInfo(FindPgbench())
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                ArgumentList =
                {
                    "-n", "-M", "prepared", "-f", file, "-c", Text(clients), "-j", "2", "-T", Text((int)Math.Ceiling(time.TotalSeconds)),
                    "-h", target.Host!, "-p", Text(target.Port), "-U", target.Username!, target.Database!,
                },
            };
            start.Environment["PGPASSWORD"] = target.Password ?? "";
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            var line = (await output).Split('\n').FirstOrDefault(l => l.StartsWith("tps = ", StringComparison.Ordinal));
            return line is null
                ? throw new InvalidOperationException($"pgbench failed: {await errors}")
                : double.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture);
        }
        finally
        {
            File.Delete(file);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_embedded is not null)
            await _embedded.DisposeAsync();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string FindPgbench()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Concat(Directory.Exists("/usr/lib/postgresql") ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(d => Path.Combine(d, "bin")) : []);
        return folders.Select(f => Path.Combine(f, "pgbench")).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException("pgbench is missing. Install it (Debian: apt-get install postgresql), then run this again.");
    }
}
