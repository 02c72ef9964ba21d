using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Aura.Workflows.Storage;

/// <summary>
/// Applies numbered SQL files (embedded resources <c>Migrations/NNNN_verb_noun.sql</c>) to one schema.
/// Each file runs once, in its own transaction; hosts that start together wait on an advisory lock.
/// A file that changed after it was applied is refused: a landed migration is frozen.
/// </summary>
public sealed class SqlMigrator
{
    private const long LockKey = 987_654_300;
    private readonly string _schema;
    private readonly IReadOnlyList<Migration> _migrations;

    /// <param name="schema">The schema that owns the bookkeeping table <c>schema_migrations</c>; created when missing.</param>
    /// <param name="assembly">The assembly whose embedded <c>.Migrations.NNNN_*.sql</c> resources are applied.</param>
    public SqlMigrator(string schema, Assembly assembly)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(schema);
        ArgumentNullException.ThrowIfNull(assembly);
        _schema = schema;
        _migrations = Read(assembly);
    }

    /// <summary>Applies what is missing, in order. Returns the names that were applied now.</summary>
    /// <exception cref="InvalidOperationException">An applied file has changed, or the database is ahead of this program.</exception>
    public async Task<IReadOnlyList<string>> ApplyAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        var applied = new List<string>();
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await ExecuteAsync(connection, null, $"SELECT pg_advisory_lock({LockKey})", cancellationToken);
        try
        {
            await ExecuteAsync(connection, null, $"""
                CREATE SCHEMA IF NOT EXISTS {_schema};
                CREATE TABLE IF NOT EXISTS {_schema}.schema_migrations (
                    number int PRIMARY KEY, name text NOT NULL, hash text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
                """, cancellationToken);
            var done = await ReadAppliedAsync(connection, cancellationToken);
            CheckHistory(done);
            foreach (var migration in _migrations.Where(m => !done.ContainsKey(m.Number)))
            {
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                await ExecuteAsync(connection, transaction, migration.Sql, cancellationToken);
                await using var record = new NpgsqlCommand(
                    $"INSERT INTO {_schema}.schema_migrations (number, name, hash) VALUES ($1, $2, $3)", connection, transaction);
                record.Parameters.Add(new() { Value = migration.Number });
                record.Parameters.Add(new() { Value = migration.Name });
                record.Parameters.Add(new() { Value = migration.Hash });
                await record.ExecuteNonQueryAsync(cancellationToken);
                await transaction.CommitAsync(cancellationToken);
                applied.Add(migration.Name);
            }
        }
        finally
        {
            await ExecuteAsync(connection, null, $"SELECT pg_advisory_unlock({LockKey})", CancellationToken.None);
        }

        return applied;
    }

    /// <summary>Names of the migrations this program has and the database has not. Creates nothing.</summary>
    public async Task<IReadOnlyList<string>> PendingAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var exists = new NpgsqlCommand("SELECT to_regclass($1) IS NOT NULL", connection);
        exists.Parameters.Add(new() { Value = $"{_schema}.schema_migrations" });
        var done = await exists.ExecuteScalarAsync(cancellationToken) is true
            ? await ReadAppliedAsync(connection, cancellationToken)
            : [];
        return [.. _migrations.Where(m => !done.ContainsKey(m.Number)).Select(m => m.Name)];
    }

    private void CheckHistory(Dictionary<int, (string Name, string Hash)> done)
    {
        foreach (var (number, (name, hash)) in done)
        {
            var mine = _migrations.FirstOrDefault(m => m.Number == number)
                ?? throw new InvalidOperationException(
                    $"The database has migration {name} of schema '{_schema}', which this program does not know. Run the newer program.");
            if (mine.Hash != hash)
                throw new InvalidOperationException(
                    $"Migration {name} of schema '{_schema}' was changed after it had been applied. Restore the file and add a new migration.");
        }
    }

    private async Task<Dictionary<int, (string Name, string Hash)>> ReadAppliedAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var done = new Dictionary<int, (string, string)>();
        await using var command = new NpgsqlCommand($"SELECT number, name, hash FROM {_schema}.schema_migrations ORDER BY number", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            done.Add(reader.GetInt32(0), (reader.GetString(1), reader.GetString(2)));
        return done;
    }

    private static async Task ExecuteAsync(
        NpgsqlConnection connection, NpgsqlTransaction? transaction, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection, transaction);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static List<Migration> Read(Assembly assembly)
    {
        const string Marker = ".Migrations.";
        var migrations = new List<Migration>();
        foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.Contains(Marker, StringComparison.Ordinal)))
        {
            var name = resource[(resource.IndexOf(Marker, StringComparison.Ordinal) + Marker.Length)..];
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            var sql = reader.ReadToEnd().ReplaceLineEndings("\n");
            var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql)));
            migrations.Add(new(int.Parse(name.AsSpan(0, 4), CultureInfo.InvariantCulture), name, sql, hash));
        }

        return [.. migrations.OrderBy(m => m.Number)];
    }

    private sealed record Migration(int Number, string Name, string Sql, string Hash);
}
