using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Bench;

/// <summary>An engine on a database, as the product composes it.</summary>
internal sealed class BenchHost : IAsyncDisposable
{
    private readonly IHost _host;

    private BenchHost(IHost host) => _host = host;

    public IServiceProvider Services => _host.Services;

    public WorkflowClient Client => _host.Services.GetRequiredService<WorkflowClient>();

    public NpgsqlDataSource DataSource => _host.Services.GetRequiredService<NpgsqlDataSource>();

    public static async Task<BenchHost> StartAsync(
        string connectionString, Action<WorkflowsOptions>? configure = null, bool bursts = true, string? queue = null, int concurrency = 256)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddConsole(o => o.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString));
        builder.Services.AddAuraWorkflows(configure);
        if (bursts)
            builder.Services.AddWorkflowLoops();
        if (queue is not null)
            builder.Services.AddTaskLoop(queue, concurrency);
        var host = builder.Build();
        host.Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(BenchHost).Assembly);
        await host.StartAsync();
        return new(host);
    }

    public Task DefineAsync(string json) => _host.Services.GetRequiredService<DefinitionStore>().ImportAsync(WorkflowDefinition.Parse(json, "bench"));

    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        command.CommandTimeout = 600;
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>The process ids of the server's backends that this database has now.</summary>
    public async Task<int[]> BackendsAsync() => await ScalarAsync<int[]>("SELECT array_agg(pid) FROM pg_stat_activity WHERE datname = current_database()");

    public async Task ExecuteAsync(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        command.CommandTimeout = 1200;
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        if (_host is IAsyncDisposable disposable)
            await disposable.DisposeAsync();
    }
}

/// <summary>Processor time of this process and of a local server's backends. Robust where wall time is not: on a busy machine.</summary>
internal sealed class CpuMeter
{
    private readonly int[] _backends;
    private readonly TimeSpan _own;
    private readonly TimeSpan _server;

    private CpuMeter(int[] backends)
    {
        _backends = backends;
        _own = System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime;
        _server = ServerTime();
    }

    public static CpuMeter Start(int[] backends) => new(backends);

    public (TimeSpan Client, TimeSpan Server) Stop() =>
        (System.Diagnostics.Process.GetCurrentProcess().TotalProcessorTime - _own, ServerTime() - _server);

    /// <summary>User and system time from <c>/proc</c>, in ticks of 10 ms; zero where there is no such process here.</summary>
    private TimeSpan ServerTime()
    {
        var ticks = 0L;
        foreach (var pid in _backends)
        {
            var file = $"/proc/{pid}/stat";
            if (!File.Exists(file))
                continue;
            var fields = File.ReadAllText(file).Split(") ", 2)[^1].Split(' ');
            ticks += long.Parse(fields[11], System.Globalization.CultureInfo.InvariantCulture) + long.Parse(fields[12], System.Globalization.CultureInfo.InvariantCulture);
        }

        return TimeSpan.FromMilliseconds(ticks * 10);
    }
}
