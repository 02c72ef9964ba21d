using System.Collections.Concurrent;
using System.Security.Cryptography;
using ModelContextProtocol.Server;

namespace Aura.Host.Mcp;

/// <summary>One session of Streamable HTTP.</summary>
internal sealed class HttpSession : IAsyncDisposable
{
    private readonly CancellationTokenSource _ended = new();
    private readonly McpServer _server;
    private readonly Task _running;
    private readonly TimeProvider _time;
    private long _lastUse;
    private int _users;
    private int _listening;

    public HttpSession(string id, McpPeer peer, TimeProvider time, ILoggerFactory loggers, IServiceProvider services)
    {
        (Id, Identity, _time) = (id, peer.Identity, time);
        Transport = new(loggers) { SessionId = id, FlowExecutionContextFromRequests = false };
        _server = McpServer.Create(Transport, peer.Options(), loggers, services);
        Ended = _ended.Token;
        _running = _server.RunAsync(Ended);
        _lastUse = time.GetTimestamp();
    }

    public string Id { get; }

    public string Identity { get; }

    public StreamableHttpServerTransport Transport { get; }

    public CancellationToken Ended { get; }

    /// <summary>Null while somebody uses it.</summary>
    public TimeSpan? Idle => Volatile.Read(ref _users) > 0 ? null : _time.GetElapsedTime(Volatile.Read(ref _lastUse));

    public bool IsListened => Volatile.Read(ref _listening) != 0;

    public IDisposable Use()
    {
        Interlocked.Increment(ref _users);
        return new Using(this);
    }

    /// <summary>False when somebody listens already.</summary>
    public bool TryListen() => Interlocked.Exchange(ref _listening, 1) == 0;

    public void StopListening() => Interlocked.Exchange(ref _listening, 0);

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await Transport.DisposeAsync();
        await _server.DisposeAsync();
        try
        {
            await _running;
        }
        catch (OperationCanceledException)
        {
            // It was told to end.
        }

        _ended.Dispose();
    }

    private sealed class Using(HttpSession session) : IDisposable
    {
        public void Dispose()
        {
            Volatile.Write(ref session._lastUse, session._time.GetTimestamp());
            Interlocked.Decrement(ref session._users);
        }
    }
}

/// <summary>The open sessions of this process: bounded, and closed when nobody has used them for long.</summary>
internal sealed class McpSessions : IAsyncDisposable
{
    public const int MaxOpen = 1000;
    public const int MaxOfOne = 16;
    public static readonly TimeSpan MaxIdle = TimeSpan.FromMinutes(30);

    private readonly ConcurrentDictionary<string, HttpSession> _open = new(StringComparer.Ordinal);
    private readonly TimeProvider _time;
    private readonly McpMetrics _metrics;
    private readonly ITimer _sweep;

    public McpSessions(TimeProvider time, McpMetrics metrics)
    {
        (_time, _metrics) = (time, metrics);
        _sweep = time.CreateTimer(_ => Sweep(), null, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
    }

    /// <summary>Null when there are too many in use. Many clients never end their sessions: a new one takes the place of the caller's idlest.</summary>
    public async Task<HttpSession?> OpenAsync(McpPeer peer, ILoggerFactory loggers, IServiceProvider services)
    {
        var own = Of(peer.Identity);
        if (own.Count >= MaxOfOne || _open.Count >= MaxOpen)
        {
            if (own.Where(s => s.Idle is not null).MaxBy(s => s.Idle) is not { } idlest)
                return null;
            await CloseAsync(idlest);
        }

        var session = new HttpSession(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20)), peer, _time, loggers, services);
        _open[session.Id] = session;
        _metrics.SessionsChanged(1);
        return session;
    }

    /// <summary>Those of one caller.</summary>
    public IReadOnlyList<HttpSession> Of(string identity) => [.. _open.Values.Where(s => s.Identity == identity)];

    public HttpSession? Find(string id) => _open.GetValueOrDefault(id);

    public async Task CloseAsync(HttpSession session)
    {
        if (!_open.TryRemove(session.Id, out _))
            return;
        _metrics.SessionsChanged(-1);
        await session.DisposeAsync();
    }

    public async Task CloseAllAsync()
    {
        foreach (var session in _open.Values)
            await CloseAsync(session);
    }

    public async ValueTask DisposeAsync()
    {
        await _sweep.DisposeAsync();
        await CloseAllAsync();
    }

    private void Sweep()
    {
        foreach (var session in _open.Values.Where(s => s.Idle > MaxIdle))
            _ = CloseAsync(session);
    }
}
