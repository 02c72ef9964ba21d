using Npgsql;

namespace Aura.Testing;

/// <summary>Short questions to a test's database.</summary>
public static class Queries
{
    public static async Task ExecuteAsync(this NpgsqlDataSource db, string sql, params object[] values)
    {
        await using var command = Command(db, sql, values);
        await command.ExecuteNonQueryAsync();
    }

    /// <returns>The first row's first value; the default when there is none, or none of this type.</returns>
    public static async Task<T?> ScalarAsync<T>(this NpgsqlDataSource db, string sql, params object[] values)
    {
        await using var command = Command(db, sql, values);
        return await command.ExecuteScalarAsync() is T found ? found : default;
    }

    /// <returns>The first value of each row.</returns>
    public static async Task<List<T>> ListAsync<T>(this NpgsqlDataSource db, string sql, params object[] values)
    {
        await using var command = Command(db, sql, values);
        var rows = new List<T>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            rows.Add(await reader.GetFieldValueAsync<T>(0));
        return rows;
    }

    private static NpgsqlCommand Command(NpgsqlDataSource db, string sql, object[] values)
    {
        ArgumentNullException.ThrowIfNull(db);
        ArgumentNullException.ThrowIfNull(values);
        var command = db.CreateCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }
}
