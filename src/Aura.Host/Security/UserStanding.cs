using Aura.Orchestra.Users;

namespace Aura.Host.Security;

/// <summary>
/// Whether the user of an access token still stands as the token says. The list of users is read at most every five seconds: so long may a
/// token outlive a change that another host made.
/// </summary>
internal sealed class UserStanding(UserStore users, TimeProvider time) : IDisposable
{
    public static readonly TimeSpan Staleness = TimeSpan.FromSeconds(5);
    private readonly SemaphoreSlim _gate = new(1);
    private volatile Snapshot? _snapshot;

    public async Task<bool> IsCurrentAsync(TokenSubject subject, CancellationToken cancellationToken)
    {
        // The Director's key is the token's key: with another one the signature is wrong already.
        if (subject.UserId is not { } id)
            return true;
        var snapshot = _snapshot;
        // Signed, but of a user or version that the list does not know yet: the list is what is old.
        if (snapshot is null || time.GetUtcNow() - snapshot.ReadAt >= Staleness
            || !snapshot.Users.TryGetValue(id, out var seen) || seen.Version < subject.Version)
            snapshot = await ReadAsync(snapshot, cancellationToken);
        return snapshot.Users.TryGetValue(id, out var user) && user.IsActive && user.Version == subject.Version;
    }

    /// <summary>A change that this host made counts at once: also for a read that began before it and has not ended.</summary>
    public async Task ForgetAsync()
    {
        // Not to be cancelled: the change is made, whether or not somebody waits for the answer.
        await _gate.WaitAsync(CancellationToken.None);
        _snapshot = null;
        _gate.Release();
    }

    public void Dispose() => _gate.Dispose();

    private async Task<Snapshot> ReadAsync(Snapshot? old, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // Somebody else may have read it while this one waited.
            if (_snapshot is { } other && !ReferenceEquals(other, old))
                return other;
            var now = time.GetUtcNow();
            return _snapshot = new(now, (await users.ListAsync(cancellationToken)).ToDictionary(u => u.Id));
        }
        finally
        {
            _gate.Release();
        }
    }

    private sealed record Snapshot(DateTimeOffset ReadAt, IReadOnlyDictionary<long, User> Users);
}
