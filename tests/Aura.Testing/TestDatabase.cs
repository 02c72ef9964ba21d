using System.Reflection;
using Aura.Workflows.Storage;
using Npgsql;
using Xunit;

namespace Aura.Testing;

/// <summary>
/// One database for one test class (<c>IClassFixture&lt;TestDatabase&gt;</c>), cloned from a template that holds every migration.
/// The server comes from the environment variable <c>AURA_TEST_POSTGRES</c> (a connection string of a superuser).
/// </summary>
public sealed class TestDatabase : IAsyncLifetime
{
    private static readonly SemaphoreSlim TemplateGate = new(1, 1);
    private static string? _template;
    private readonly string _name = $"aura_test_{Guid.NewGuid():N}";
    private NpgsqlDataSource? _dataSource;

    public string ConnectionString { get; private set; } = "";

    public NpgsqlDataSource DataSource => _dataSource ?? throw new InvalidOperationException("The fixture is not initialised.");

    public Task ExecuteAsync(string sql, params object[] values) => DataSource.ExecuteAsync(sql, values);

    public Task<T?> ScalarAsync<T>(string sql, params object[] values) => DataSource.ScalarAsync<T>(sql, values);

    public Task<List<T>> ListAsync<T>(string sql, params object[] values) => DataSource.ListAsync<T>(sql, values);

    public async ValueTask InitializeAsync()
    {
        var template = await TemplateAsync();
        await AdminAsync($"CREATE DATABASE {_name} TEMPLATE {template}");
        ConnectionString = With(_name);
        _dataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        if (_dataSource is not null)
            await _dataSource.DisposeAsync();
        await AdminAsync($"DROP DATABASE IF EXISTS {_name} WITH (FORCE)");
    }

    private static async Task<string> TemplateAsync()
    {
        await TemplateGate.WaitAsync();
        try
        {
            if (_template is not null)
                return _template;
            var name = $"aura_template_{Guid.NewGuid():N}";
            await AdminAsync($"CREATE DATABASE {name}");
            await using (var source = NpgsqlDataSource.Create(With(name) + ";Pooling=false"))
            {
                await new SqlMigrator("wf", typeof(SqlMigrator).Assembly).ApplyAsync(source);
                await new SqlMigrator("aura", typeof(Orchestra.Processes.Git).Assembly).ApplyAsync(source);
            }

            return _template = name;
        }
        finally
        {
            TemplateGate.Release();
        }
    }

    private static string Server() => Environment.GetEnvironmentVariable("AURA_TEST_POSTGRES")
        ?? throw new InvalidOperationException("AURA_TEST_POSTGRES is not set: run the tests through ./aura test, which starts a PostgreSQL.");

    private static string With(string database) => new NpgsqlConnectionStringBuilder(Server()) { Database = database }.ConnectionString;

    private static async Task AdminAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(With("postgres") + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
