using Aura.Orchestra.Audit;
using Aura.Orchestra.Storage;
using Npgsql;
using static Aura.Orchestra.Storage.Statement;

namespace Aura.Orchestra.Users;

/// <summary>Users: read, add and change, each change with its audit row in the same transaction.</summary>
public sealed class UserStore(NpgsqlDataSource dataSource)
{
    private const string Columns = "id, name, roles, is_active, version, created_at, last_sign_in_at";

    /// <summary>All users by name. They are people: there are few.</summary>
    public Task<IReadOnlyList<User>> ListAsync(CancellationToken cancellationToken = default) =>
        dataSource.ReadAsync($"SELECT {Columns} FROM aura.users ORDER BY lower(name)", r => Read(r), [], cancellationToken);

    /// <summary>The user of that name in any case, or null.</summary>
    public async Task<User?> FindAsync(string name, CancellationToken cancellationToken = default) =>
        (await CredentialsAsync(name, cancellationToken))?.User;

    /// <summary>What a sign-in under that name (in any case) is checked against, or null.</summary>
    public Task<UserCredentials?> CredentialsAsync(string name, CancellationToken cancellationToken = default) => dataSource.ReadOneAsync(
        $"SELECT {Columns}, password_hash FROM aura.users WHERE lower(name) = lower($1)",
        r => new UserCredentials(Read(r), r.TextOrNull(7)), [Text(name)], cancellationToken);

    /// <summary>Adds a user. False when the name is taken, in whatever case.</summary>
    public Task<bool> AddAsync(
        string name, IReadOnlyList<string> roles, string passwordHash, string actor, CancellationToken cancellationToken = default)
    {
        var sorted = Sorted(roles);
        return dataSource.CommitIfAsync(
            Of("""
                INSERT INTO aura.users (name, roles, password_hash) VALUES ($1, $2, $3) ON CONFLICT (lower(name)) DO NOTHING
                """, Text(name), Texts(sorted), Text(passwordHash)),
            [AuditLog.Record(actor, "user.add", details: new { user = name, roles = sorted })], cancellationToken);
    }

    /// <summary>
    /// Changes a user. Sign-ins end with a new password and with disabling; access tokens of before are void with every change.
    /// False when there is no such user.
    /// </summary>
    public Task<bool> ChangeAsync(string name, UserChange change, string actor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(change);
        var roles = change.Roles is null ? null : Sorted(change.Roles);
        List<NpgsqlBatchCommand> rest = [];
        // The user's row is locked by the update before: a sign-in that is under way is either seen here or sees the change.
        if (change.EndsSignIns)
        {
            rest.Add(Of("""
                DELETE FROM aura.refresh_tokens WHERE user_id = (SELECT id FROM aura.users WHERE lower(name) = lower($1))
                """, Text(name)));
        }

        if (change.PasswordHash is not null)
            rest.Add(AuditLog.Record(actor, "user.password", details: new { user = name }));
        if (roles is not null)
            rest.Add(AuditLog.Record(actor, "user.roles", details: new { user = name, roles }));
        if (change.IsActive is { } active)
            rest.Add(AuditLog.Record(actor, active ? "user.enable" : "user.disable", details: new { user = name }));
        return dataSource.CommitIfAsync(
            Of("""
                UPDATE aura.users SET password_hash = coalesce($2, password_hash), roles = coalesce($3, roles),
                    is_active = coalesce($4, is_active), version = version + 1, updated_at = now()
                WHERE lower(name) = lower($1)
                """, Text(name), Text(change.PasswordHash), Texts(roles), Bool(change.IsActive)),
            rest, cancellationToken);
    }

    /// <summary>Puts a stronger hash of the same password in the place of an older one; nothing else changes.</summary>
    public Task RehashAsync(long id, string oldHash, string newHash, CancellationToken cancellationToken = default) => dataSource.CommitAsync(
        Of("UPDATE aura.users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", Long(id), Text(oldHash), Text(newHash)),
        cancellationToken);

    internal static User Read(NpgsqlDataReader r, int first = 0) => new(
        r.GetInt64(first), r.GetString(first + 1), r.GetFieldValue<string[]>(first + 2), r.GetBoolean(first + 3), r.GetInt32(first + 4),
        r.Time(first + 5), r.IsDBNull(first + 6) ? null : r.Time(first + 6));

    private static string[] Sorted(IReadOnlyList<string> roles) => [.. roles.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
}
