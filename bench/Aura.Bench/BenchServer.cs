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
    private readonly string _pgbench;

    private BenchServer(EmbeddedPostgres? embedded, string connectionString, string pgbench)
    {
        _embedded = embedded;
        _server = new(connectionString);
        _pgbench = pgbench;
    }

    /// <summary>Takes the server in <c>AURA_BENCH_POSTGRES</c> (a connection string), else starts one in the state folder.</summary>
    /// <exception cref="InvalidOperationException">There is no pgbench.</exception>
    public static async Task<BenchServer> StartAsync(string state)
    {
        var pgbench = FindPgbench();
        if (Environment.GetEnvironmentVariable("AURA_BENCH_POSTGRES") is { Length: > 0 } given)
            return new(null, given, pgbench);
        var embedded = new EmbeddedPostgres(Path.Combine(state, "bench"), new ProcessRunner(), TimeProvider.System);
        var server = await embedded.StartAsync("postgres");
        return new(embedded, server.ConnectionString("postgres"), pgbench);
    }

    /// <summary>A migrated, empty database.</summary>
    public async Task<string> CreateDatabaseAsync(string name)
    {
        await using (var admin = NpgsqlDataSource.Create(_server.ConnectionString + ";Pooling=false"))
        {
            await using var drop = admin.CreateCommand($"DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            await drop.ExecuteNonQueryAsync();
            await using var create = admin.CreateCommand($"CREATE DATABASE {name}");
            await create.ExecuteNonQueryAsync();
        }

        var connectionString = new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Database = name, MaxPoolSize = 40, IncludeErrorDetail = true }.ConnectionString;
        await using var source = NpgsqlDataSource.Create(connectionString);
        await new SqlMigrator("wf", typeof(SqlMigrator).Assembly).ApplyAsync(source);
        return connectionString;
    }

    /// <summary>Transactions a second of a pgbench script.</summary>
    /// <exception cref="InvalidOperationException">pgbench failed.</exception>
    public async Task<double> PgbenchAsync(string connectionString, string script, int clients, TimeSpan time)
    {
        var target = new NpgsqlConnectionStringBuilder(connectionString);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, script);
            var start = new ProcessStartInfo(_pgbench)
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
