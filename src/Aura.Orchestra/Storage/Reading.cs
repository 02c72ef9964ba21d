using System.Text.Json;
using Npgsql;

namespace Aura.Orchestra.Storage;

/// <summary>Runs a query and reads its rows into records.</summary>
internal static class Reading
{
    public static async Task<IReadOnlyList<T>> ReadAsync<T>(
        this NpgsqlDataSource dataSource, string sql, Func<NpgsqlDataReader, T> read, NpgsqlParameter[] parameters,
        CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(sql);
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(read(reader));
        return rows;
    }

    public static async Task<T?> ReadOneAsync<T>(
        this NpgsqlDataSource dataSource, string sql, Func<NpgsqlDataReader, T> read, NpgsqlParameter[] parameters,
        CancellationToken cancellationToken)
        where T : class
    {
        var rows = await dataSource.ReadAsync(sql, read, parameters, cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    public static string? TextOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static DateTimeOffset Time(this NpgsqlDataReader reader, int column) => reader.GetFieldValue<DateTimeOffset>(column);

    public static double? DoubleOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetDouble(column);

    /// <summary>The jsonb column as a value; default when null.</summary>
    public static T? Json<T>(this NpgsqlDataReader reader, int column) =>
        reader.IsDBNull(column) ? default : JsonSerializer.Deserialize<T>(reader.GetString(column), StorableText.Options);
}
