using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace Aura.Workflows.Storage;

/// <summary>A parameter that is sent as <c>json</c>.</summary>
internal readonly record struct JsonValue(string? Text)
{
    public static JsonValue Of(object? value) => value switch
    {
        null => default,
        JsonElement element => new(element.GetRawText()),
        _ => new(JsonSerializer.Serialize(value, value.GetType(), WorkflowJson.Options)),
    };
}

/// <summary>A parameter that is sent as <c>json[]</c>, its items as UTF-8.</summary>
internal sealed record JsonColumn(byte[]?[] Items)
{
    public static JsonColumn Of<T>(IReadOnlyList<T> rows, Func<T, byte[]?> value)
    {
        var items = new byte[]?[rows.Count];
        for (var i = 0; i < items.Length; i++)
            items[i] = value(rows[i]);
        return new(items);
    }

    public static byte[]? Serialize(object? value) =>
        value is null ? null : JsonSerializer.SerializeToUtf8Bytes(value, value.GetType(), WorkflowJson.Options);
}

/// <summary>Builds commands with positional parameters (<c>$1</c> …).</summary>
internal static class Sql
{
    public static NpgsqlBatchCommand Batch(string text, params object?[] values)
    {
        var command = new NpgsqlBatchCommand(text);
        Add(command.Parameters, values);
        return command;
    }

    public static async Task<int> ExecuteAsync(this NpgsqlDataSource source, string text, object?[] values, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(text);
        Add(command.Parameters, values);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public static async Task<List<T>> QueryAsync<T>(
        this NpgsqlDataSource source, string text, object?[] values, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(text);
        Add(command.Parameters, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken))
            rows.Add(read(reader));
        return rows;
    }

    public static string? Text(this NpgsqlDataReader reader, int ordinal) => reader.IsDBNull(ordinal) ? null : reader.GetString(ordinal);

    public static byte[] Utf8(this NpgsqlDataReader reader, int ordinal) => reader.GetFieldValue<byte[]>(ordinal);

    public static JsonElement? Json(this NpgsqlDataReader reader, int ordinal) =>
        reader.IsDBNull(ordinal) ? null : JsonSerializer.Deserialize<JsonElement>(reader.GetString(ordinal));

    private static void Add(NpgsqlParameterCollection parameters, object?[] values)
    {
        foreach (var value in values)
        {
            parameters.Add(value switch
            {
                JsonValue json => new NpgsqlParameter { Value = (object?)json.Text ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Json },
                JsonColumn column => new NpgsqlParameter { Value = column.Items, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Json },
                // An untyped null would leave the type to a guess.
                null => new NpgsqlParameter { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                _ => new NpgsqlParameter { Value = value },
            });
        }
    }
}
