using Npgsql;
using NpgsqlTypes;

namespace Aura.Orchestra.Storage;

/// <summary>Builds one parameterised statement. Every null is sent with its type, so that a plan never depends on a value.</summary>
internal static class Statement
{
    public static NpgsqlBatchCommand Of(string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters)
            command.Parameters.Add(parameter);
        return command;
    }

    /// <summary>Text that PostgreSQL can hold: it has no NUL and no half of a surrogate pair (both do come out of programs and models).</summary>
    public static NpgsqlParameter Text(string? value) => Typed(value is null ? null : StorableText.Clean(value), NpgsqlDbType.Text);

    public static NpgsqlParameter Texts(IEnumerable<string>? values) =>
        Typed(values?.Select(StorableText.Clean).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text);

    public static NpgsqlParameter Json(object? value) => Typed(value is null ? null : StorableText.Json(value), NpgsqlDbType.Jsonb);

    public static NpgsqlParameter Bytes(byte[]? value) => Typed(value, NpgsqlDbType.Bytea);

    public static NpgsqlParameter Int(int? value) => Typed(value, NpgsqlDbType.Integer);

    public static NpgsqlParameter Long(long? value) => Typed(value, NpgsqlDbType.Bigint);

    public static NpgsqlParameter Double(double? value) => Typed(value, NpgsqlDbType.Double);

    public static NpgsqlParameter Decimal(decimal? value) => Typed(value, NpgsqlDbType.Numeric);

    public static NpgsqlParameter Bool(bool? value) => Typed(value, NpgsqlDbType.Boolean);

    public static NpgsqlParameter Time(DateTimeOffset? value) => Typed(value?.ToUniversalTime(), NpgsqlDbType.TimestampTz);

    public static NpgsqlParameter Span(TimeSpan? value) => Typed(value, NpgsqlDbType.Interval);

    public static NpgsqlParameter Uuid(Guid? value) => Typed(value, NpgsqlDbType.Uuid);

    private static NpgsqlParameter Typed(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };
}
