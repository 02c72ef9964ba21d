using System.Security.Cryptography;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Users;

/// <summary>How long a sign-in lasts.</summary>
public sealed record RefreshTokenOptions
{
    /// <summary>A token that is not used for so long is dead. Default 30 days.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(30);

    /// <summary>After so long a password is asked for again, however often the token was exchanged. Default 90 days.</summary>
    public TimeSpan LongestSignIn { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long the token before the present one is taken for a second tab's. Default 10 s.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What became of a token that was presented.</summary>
public enum RefreshOutcome
{
    /// <summary>It was exchanged: the proposed one holds now.</summary>
    Rotated,

    /// <summary>A second tab came with the token before, within the grace: it gets the present one, made again from the salt.</summary>
    Repeated,

    /// <summary>An older token, right after an exchange: nothing is given and nothing ends. The browser holds a newer one by now.</summary>
    Overtaken,

    /// <summary>An old token came back: someone has a copy, so the sign-in has ended for all who hold one of its tokens.</summary>
    Reused,

    /// <summary>Unknown, expired, signed out, or its user may not sign in.</summary>
    Dead,
}

/// <summary>The answer to a presented token.</summary>
/// <param name="User">Null when it is the Director, signed in with the key.</param>
/// <param name="SuccessorSalt">Of the token that holds now.</param>
public sealed record RefreshResult(RefreshOutcome Outcome, User? User = null, byte[]? SuccessorSalt = null, DateTimeOffset ExpiresAt = default);

/// <summary>Sign-ins: one row each, with the hash of the one token that is good and of the one before it.</summary>
public sealed class RefreshTokenStore(NpgsqlDataSource dataSource, RefreshTokenOptions options)
{
    /// <summary>A sign-in begins. False when the user was changed or disabled since the password was checked.</summary>
    /// <param name="user">Null for the Director, signed in with the key.</param>
    /// <param name="address">From where; for the audit.</param>
    public Task<bool> StartAsync(
        Guid family, User? user, byte[] tokenHash, string? address, CancellationToken cancellationToken = default)
    {
        // The update locks the user's row: a disabling that comes now waits, and then finds this sign-in.
        const string Insert = """
            INSERT INTO aura.refresh_tokens (family, user_id, token_hash, expires_at, ends_at)
            SELECT $1, {0}, $2, now() + least($3, $4), now() + $4
            """;
        var started = user is null
            ? Of(string.Format(null, Insert, "NULL"), Uuid(family), Bytes(tokenHash), Span(options.Lifetime), Span(options.LongestSignIn))
            : Of($"""
                WITH signed_in AS (
                    UPDATE aura.users SET last_sign_in_at = now() WHERE id = $5 AND is_active AND version = $6 RETURNING id)
                {string.Format(null, Insert, "id")} FROM signed_in
                """, Uuid(family), Bytes(tokenHash), Span(options.Lifetime), Span(options.LongestSignIn), Long(user.Id), Int(user.Version));
        return dataSource.CommitIfAsync(
            started,
            [
                Of("DELETE FROM aura.refresh_tokens WHERE expires_at < now()"),
                AuditLog.Record(user?.Name ?? UserNames.Director, "auth.sign_in", details: new { address }),
            ],
            cancellationToken);
    }

    /// <summary>Exchanges the token. Everything is decided under the lock of the sign-in's one row.</summary>
    /// <param name="presentedHash">Of the token that came.</param>
    /// <param name="successorHash">Of the token that the salt and the presented one make.</param>
    public async Task<RefreshResult> RotateAsync(
        Guid family, byte[] presentedHash, byte[] successorSalt, byte[] successorHash, string? address,
        CancellationToken cancellationToken = default)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var (row, user) = await LockAsync(connection, transaction, family, cancellationToken);
        if (row is null || (!row.IsOfDirector && user is not { IsActive: true }))
            return new(RefreshOutcome.Dead);
        var outcome = Decide(row, presentedHash, options.Grace);
        var expiresAt = row.ExpiresAt;
        if (outcome == RefreshOutcome.Rotated)
        {
            await using var update = new NpgsqlCommand("""
                UPDATE aura.refresh_tokens SET previous_hash = token_hash, token_hash = $2, successor_salt = $3, rotated_at = clock_timestamp(),
                    expires_at = least(now() + $4, ends_at)
                WHERE family = $1 RETURNING expires_at
                """, connection, transaction)
            {
                Parameters = { Uuid(family), Bytes(successorHash), Bytes(successorSalt), Span(options.Lifetime) },
            };
            expiresAt = new((DateTime)(await update.ExecuteScalarAsync(cancellationToken))!);
        }
        else if (outcome == RefreshOutcome.Reused)
        {
            await using var end = new NpgsqlBatch(connection, transaction)
            {
                BatchCommands =
                {
                    Of("DELETE FROM aura.refresh_tokens WHERE family = $1", Uuid(family)),
                    AuditLog.Record(user?.Name ?? UserNames.Director, "auth.refresh_reused", details: new { address }),
                },
            };
            await end.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return new(outcome, user, outcome == RefreshOutcome.Repeated ? row.SuccessorSalt : successorSalt, expiresAt);
    }

    /// <summary>Ends the sign-in that this token belongs to, if it still does or just did. Returns whose it was; null when there was none.</summary>
    public async Task<string?> EndAsync(Guid family, byte[] presentedHash, CancellationToken cancellationToken = default)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var (row, user) = await LockAsync(connection, transaction, family, cancellationToken);
        // Someone with an older token of this sign-in has learnt it; that the sign-in ends is right then too.
        if (row is null || Decide(row, presentedHash, options.Grace) == RefreshOutcome.Dead)
            return null;
        var name = user?.Name ?? UserNames.Director;
        await using var end = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Of("DELETE FROM aura.refresh_tokens WHERE family = $1", Uuid(family)),
                AuditLog.Record(name, "auth.sign_out"),
            },
        };
        await end.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        return name;
    }

    /// <summary>The rule, without a clock or a database of its own.</summary>
    internal static RefreshOutcome Decide(RefreshRow row, byte[] presentedHash, TimeSpan grace)
    {
        if (row.ExpiresAt <= row.Now)
            return RefreshOutcome.Dead;
        if (CryptographicOperations.FixedTimeEquals(presentedHash, row.TokenHash))
            return RefreshOutcome.Rotated;
        if (row.RotatedAt is not { } rotatedAt || row.Now - rotatedAt > grace)
            return RefreshOutcome.Reused;
        return CryptographicOperations.FixedTimeEquals(presentedHash, row.PreviousHash) ? RefreshOutcome.Repeated : RefreshOutcome.Overtaken;
    }

    private static async Task<(RefreshRow? Row, User? User)> LockAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, Guid family, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT t.token_hash, t.previous_hash, t.successor_salt, t.rotated_at, t.expires_at, clock_timestamp(), t.user_id IS NULL,
                u.id, u.name, u.roles, u.is_active, u.version, u.created_at, u.last_sign_in_at
            FROM aura.refresh_tokens t LEFT JOIN aura.users u ON u.id = t.user_id WHERE t.family = $1 FOR UPDATE OF t
            """, connection, transaction)
        {
            Parameters = { Uuid(family) },
        };
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : (null, null);
    }

    private static (RefreshRow Row, User? User) Read(NpgsqlDataReader r) => (
        new(r.GetFieldValue<byte[]>(0), BytesOrNull(r, 1), BytesOrNull(r, 2), r.IsDBNull(3) ? null : r.Time(3), r.Time(4), r.Time(5), r.GetBoolean(6)),
        r.IsDBNull(7) ? null : UserStore.Read(r, 7));

    private static byte[]? BytesOrNull(NpgsqlDataReader r, int column) => r.IsDBNull(column) ? null : r.GetFieldValue<byte[]>(column);
}

/// <summary>A sign-in as it stood under its lock.</summary>
/// <param name="Now">The database's clock, read behind the lock.</param>
internal sealed record RefreshRow(
    byte[] TokenHash, byte[]? PreviousHash, byte[]? SuccessorSalt, DateTimeOffset? RotatedAt, DateTimeOffset ExpiresAt, DateTimeOffset Now,
    bool IsOfDirector);
