using System.Diagnostics;
using Aura.Host.Postgres;
using Aura.Orchestra.Processes;
using Npgsql;

namespace Aura.Host.Tests.Postgres;

public sealed class EmbeddedPostgresTests : IDisposable
{
    private readonly ProcessRunner _processes = new();

    // Below a folder that only its owner may enter, as a clone in root's home is.
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aura-pg-");

    public void Dispose()
    {
        _processes.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Start_Stop_Start_KeepsTheData()
    {
        await using (var first = Create())
        {
            var server = await first.StartAsync("one");
            await ExecuteAsync(server, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)");
        }

        File.Exists(PidFile).ShouldBeFalse();
        await using var second = Create();
        (await ScalarAsync(await second.StartAsync("one"), "SELECT id FROM kept")).ShouldBe(7);
    }

    [Fact]
    public async Task Start_WhileOneRuns_AttachesAndTheLastOneStopsIt()
    {
        var first = Create();
        var server = await first.StartAsync("one");
        var second = Create();
        (await second.StartAsync("two")).Port.ShouldBe(server.Port);

        await first.DisposeAsync();
        (await ScalarAsync(server, "SELECT 1")).ShouldBe(1);
        await second.DisposeAsync();

        File.Exists(PidFile).ShouldBeFalse();
    }

    [Fact]
    public async Task Start_AfterTheServerWasKilled_RecoversWhatWasCommitted()
    {
        var first = Create();
        await ExecuteAsync(await first.StartAsync("one"), "CREATE TABLE kept (id int); INSERT INTO kept VALUES (8)");
        Process.GetProcessById(int.Parse((await File.ReadAllLinesAsync(PidFile))[0], System.Globalization.CultureInfo.InvariantCulture)).Kill();
        // A killed postmaster leaves its children a moment; a new one waits for nobody but them.
        await Task.Delay(1500);
        File.Exists(PidFile).ShouldBeTrue();

        await using var second = Create();
        (await ScalarAsync(await second.StartAsync("one"), "SELECT id FROM kept")).ShouldBe(8);
        await first.DisposeAsync();
    }

    [Fact]
    public async Task Server_RunsAsAnother_NeverAsRoot()
    {
        await using var postgres = Create();
        await postgres.StartAsync("one");

        var pid = (await File.ReadAllLinesAsync(PidFile))[0];
        var uid = (await File.ReadAllLinesAsync($"/proc/{pid}/status")).Single(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
        uid.ShouldNotBe("0");
    }

    private string PidFile => Path.Combine(_folder.FullName, "postgres", "data", "postmaster.pid");

    private EmbeddedPostgres Create() => new(_folder.FullName, _processes, TimeProvider.System);

    private static async Task ExecuteAsync(PostgresServer server, string sql)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString("one") + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> ScalarAsync(PostgresServer server, string sql)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString("one") + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
