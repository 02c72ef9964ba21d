using System.Net;
using System.Net.Sockets;

namespace Aura.Host.Security;

/// <summary>
/// Bounds the guesses at passwords: failures by user and address, and by address alone, in a window that the first one opens. It counts in
/// this process; with several hosts behind one name the bound is that many times as wide.
/// </summary>
internal sealed class SignInThrottle(TimeProvider time)
{
    public const int FailuresOfUser = 10;
    public const int FailuresOfAddress = 60;
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(5);
    private const int MaxEntries = 10_000;
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Address, string? User), Entry> _entries = [];

    /// <summary>Counts an attempt before its password is checked, so that attempts side by side are bounded too.</summary>
    /// <returns>Null, or how long to wait: then nothing may be checked.</returns>
    public TimeSpan? Begin(string user, IPAddress? address)
    {
        var (from, now) = (Prefix(address), time.GetUtcNow());
        lock (_lock)
        {
            var (ofUser, ofAddress) = (Of((from, user.ToUpperInvariant()), now), Of((from, null), now));
            var full = ofUser.Failures >= FailuresOfUser ? ofUser : ofAddress.Failures >= FailuresOfAddress ? ofAddress : null;
            if (full is not null)
                return full.Opened + Window - now;
            ofUser.Failures++;
            ofAddress.Failures++;
            return null;
        }
    }

    /// <summary>The password was right (or was never checked): the attempt was none.</summary>
    /// <param name="forget">Whether the user's earlier failures from there are forgotten, too.</param>
    public void Take(string user, IPAddress? address, bool forget)
    {
        var from = Prefix(address);
        lock (_lock)
        {
            if (_entries.TryGetValue((from, null), out var ofAddress))
                ofAddress.Failures = Math.Max(0, ofAddress.Failures - 1);
            if (_entries.TryGetValue((from, user.ToUpperInvariant()), out var ofUser))
                ofUser.Failures = forget ? 0 : Math.Max(0, ofUser.Failures - 1);
        }
    }

    private Entry Of((string, string?) key, DateTimeOffset now)
    {
        if (_entries.TryGetValue(key, out var entry) && now - entry.Opened < Window)
            return entry;
        if (_entries.Count >= MaxEntries)
            MakeRoom(now);
        return _entries[key] = new(now);
    }

    private void MakeRoom(DateTimeOffset now)
    {
        foreach (var (key, _) in _entries.Where(e => now - e.Value.Opened >= Window).ToList())
            _entries.Remove(key);
        // Still full of addresses that fail: those with the fewest failures have the least to say.
        foreach (var (key, _) in _entries.OrderBy(e => e.Value.Failures).Take(_entries.Count - (MaxEntries * 9 / 10)).ToList())
            _entries.Remove(key);
    }

    /// <summary>Who has one IPv6 address usually has its whole /64.</summary>
    private static string Prefix(IPAddress? address)
    {
        if (address is null)
            return "";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6
            ? Convert.ToHexString(address.GetAddressBytes(), 0, 8)
            : address.ToString();
    }

    private sealed class Entry(DateTimeOffset opened)
    {
        public DateTimeOffset Opened { get; } = opened;

        public int Failures { get; set; }
    }
}
