using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Aura.Bench.Chaos;

/// <summary>How often each fault was injected.</summary>
internal sealed class Injected
{
    public int Kills;
    public int Stops;
    public int Cuts;
    public int Restarts;
    public int WrongClocks;

    public int Total => Kills + Stops + Cuts + Restarts;

    /// <summary>Hosts that ended though nobody ended them.</summary>
    public int Lost;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Kills} kills, {Stops} stops beyond the lease, {Cuts} cuts of connections, {Restarts} restarts of PostgreSQL, {WrongClocks} hosts with a wrong clock");
}

/// <summary>Breaks things, one after the other, as its seed says: hosts, connections, the database.</summary>
internal sealed class Nemesis(ChaosOptions options, BenchServer server, string database, string logs, Action<string> say) : IAsyncDisposable
{
    private readonly Random _random = new(options.Seed);
    private readonly List<HostProcess> _hosts = [];
    private readonly List<HostProcess> _gone = [];
    private readonly List<(HostProcess Host, TimeSpan Until)> _stopped = [];
    private readonly Stopwatch _watch = new();
    private int _started;

    public Injected Injected { get; } = new();

    public void Begin()
    {
        _watch.Start();
        for (var i = 0; i < options.Hosts; i++)
            StartHost(default);
    }

    /// <summary>One thing goes wrong, after a pause.</summary>
    public async Task StrikeAsync()
    {
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(150, 900)));
        Tend();
        // One that has not begun has nothing to lose.
        var running = _hosts.Where(h => h is { IsStopped: false, IsReady: true }).ToList();
        if (running.Count == 0)
            return;
        var victim = running[_random.Next(running.Count)];
        switch (_random.Next(100))
        {
            case < 35:
                Kill(victim);
                StartHost(default);
                break;
            case < 60 when running.Count > 1:
                Stop(victim);
                break;
            case < 70 when _stopped.Count > 0:
                // Killed before it can notice that its leases are gone.
                victim = _stopped[_random.Next(_stopped.Count)].Host;
                victim.Resume();
                await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(200)));
                Kill(victim);
                StartHost(default);
                break;
            case < 85:
                await CutAsync();
                break;
            case < 92 when server.CanRestart:
                await RestartAsync(_random.Next(2) == 0 ? "immediate" : "fast");
                break;
            default:
                Kill(victim);
                StartHost(TimeSpan.FromSeconds(_random.Next(-7200, 7200)));
                break;
        }
    }

    /// <summary>Peace: everybody runs again.</summary>
    public void MakePeace()
    {
        foreach (var host in _hosts.Where(h => h.IsStopped))
            host.Resume();
        _stopped.Clear();
        Tend();
    }

    /// <summary>Continues hosts whose stop is over, and replaces those that have ended.</summary>
    public void Tend()
    {
        foreach (var (host, _) in _stopped.Where(s => s.Until <= _watch.Elapsed).ToList())
        {
            if (!host.HasExited)
                host.Resume();
        }

        _stopped.RemoveAll(s => !s.Host.IsStopped || s.Host.HasExited);
        foreach (var host in _hosts.Where(h => h.HasExited).ToList())
        {
            Injected.Lost++;
            say($"host {host.Id} has ended by itself, which it must not");
            Retire(host);
            StartHost(default);
        }
    }

    /// <summary>Stops all hosts in order.</summary>
    public async Task<bool> EndAsync()
    {
        var ended = await Task.WhenAll(_hosts.Select(h => h.EndAsync(TimeSpan.FromSeconds(30))));
        return ended.All(e => e);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts.Concat(_gone))
            await host.DisposeAsync();
    }

    private void StartHost(TimeSpan clockOffset)
    {
        if (clockOffset != default)
            Injected.WrongClocks++;
        var host = HostProcess.Start(
            database, new(options.Lease, clockOffset, null), Path.Combine(logs, string.Create(CultureInfo.InvariantCulture, $"host-{++_started:000}.log")));
        _hosts.Add(host);
        say($"start {host.Id}{(clockOffset == default ? "" : string.Create(CultureInfo.InvariantCulture, $", clock {clockOffset.TotalSeconds:+0;-0} s"))}");
    }

    private void Kill(HostProcess host)
    {
        host.Kill();
        Injected.Kills++;
        say($"kill {host.Id}");
        _stopped.RemoveAll(s => s.Host == host);
        Retire(host);
    }

    private void Retire(HostProcess host)
    {
        _hosts.Remove(host);
        _gone.Add(host);
    }

    private void Stop(HostProcess host)
    {
        var time = options.Lease * (1.2 + (1.5 * _random.NextDouble()));
        host.Pause();
        Injected.Stops++;
        say(string.Create(CultureInfo.InvariantCulture, $"stop {host.Id} for {time.TotalSeconds:0.0} s"));
        _stopped.Add((host, _watch.Elapsed + time));
    }

    private async Task CutAsync()
    {
        var share = new[] { 0.2, 0.5, 1 }[_random.Next(3)];
        try
        {
            await using var connection = new NpgsqlConnection(database + ";Pooling=false;Application Name=nemesis");
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand("""
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name = 'chaos-host' AND random() < $1
                """, connection);
            command.Parameters.Add(new() { Value = share });
            var cut = await command.ExecuteScalarAsync();
            Injected.Cuts++;
            say($"cut {cut} connections");
        }
        catch (NpgsqlException e)
        {
            say($"no cut: {e.Message}");
        }
    }

    private async Task RestartAsync(string mode)
    {
        say($"restart PostgreSQL, {mode}");
        await server.RestartAsync(mode);
        Injected.Restarts++;
    }
}
