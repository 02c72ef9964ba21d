using System.Globalization;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Aura.Bench.Chaos;

/// <summary>What a child process runs: an engine on a database until it is killed, or told to stop by the end of its standard input.</summary>
/// <param name="Lease">Of the host and of its tasks; short, so that a stop outlasts it.</param>
/// <param name="ClockOffset">How wrong the host's clock is.</param>
/// <param name="FaultPoint">Where the process kills itself.</param>
internal sealed record ChaosHostOptions(TimeSpan Lease, TimeSpan ClockOffset, string? FaultPoint)
{
    public const string DatabaseVariable = "AURA_CHAOS_DATABASE";

    public static ChaosHostOptions Parse(IReadOnlyList<string> args) => new(
        TimeSpan.FromSeconds(Arguments.Number(args, "--lease", 2)), TimeSpan.FromSeconds(Arguments.Number(args, "--clock-offset", 0)),
        Arguments.Text(args, "--fault"));

    public IReadOnlyList<string> ToArguments() =>
    [
        "--lease", Lease.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        "--clock-offset", ClockOffset.TotalSeconds.ToString(CultureInfo.InvariantCulture),
        .. FaultPoint is null ? (string[])[] : ["--fault", FaultPoint],
    ];
}

/// <summary>The verb <c>host</c>.</summary>
internal static class ChaosHost
{
    /// <summary>Begins the line that says that the engine runs.</summary>
    public const string ReadyMark = "host ";

    public static async Task<int> RunAsync(IReadOnlyList<string> args)
    {
        var options = ChaosHostOptions.Parse(args);
        var database = Environment.GetEnvironmentVariable(ChaosHostOptions.DatabaseVariable)
            ?? throw new InvalidOperationException($"{ChaosHostOptions.DatabaseVariable} is not set: the connection string of a migrated database.");
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddSimpleConsole(o => o.TimestampFormat = "HH:mm:ss.fff ");
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create(database));
        builder.Services.AddSingleton<TimeProvider>(new ShiftedTime(options.ClockOffset));
        builder.Services.AddAuraWorkflows(o =>
        {
            o.HostName = string.Create(CultureInfo.InvariantCulture, $"chaos-{Environment.ProcessId}");
            o.HostLease = options.Lease;
            o.TaskLease = options.Lease;
            o.PollInterval = TimeSpan.FromMilliseconds(100);
            o.TaskBackoff = TimeSpan.FromMilliseconds(50);
            o.DrainTimeout = TimeSpan.FromMilliseconds(500);
            o.FaultPoint = options.FaultPoint;
        });
        builder.Services.AddWorkflowLoops();
        builder.Services.AddTaskLoop("*", 32);
        builder.Services.AddLoop<ChaosStarter>();
        using var host = builder.Build();
        host.Services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(ChaosHost).Assembly);
        await host.StartAsync();
        Console.WriteLine($"{ReadyMark}{host.Services.GetRequiredService<HostIdentity>().Id}");
        // The parent closes it, or has died.
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        await host.StopAsync();
        return 0;
    }
}

/// <summary>Starts what is wanted. Several hosts may try the same: the id is the parent's choice, so a second start is refused.</summary>
internal sealed class ChaosStarter(NpgsqlDataSource dataSource, WorkflowClient client) : ILoop
{
    private const string WantedSql = """
        SELECT id, definition_id, correlation_id FROM chaos.wanted WHERE NOT done AND not_before <= now() ORDER BY random() LIMIT 8
        """;

    public string Name => "chaos-starter";

    public TimeSpan Interval => TimeSpan.FromMilliseconds(150);

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var wanted = new List<(string Id, string Definition, string? Correlation)>();
        await using (var command = dataSource.CreateCommand(WantedSql))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
                wanted.Add((reader.GetString(0), reader.GetString(1), await reader.IsDBNullAsync(2, cancellationToken) ? null : reader.GetString(2)));
        }

        await Task.WhenAll(wanted.Select(w => StartAsync(w.Id, w.Definition, w.Correlation, cancellationToken)));
        return wanted.Count;
    }

    private async Task StartAsync(string id, string definition, string? correlation, CancellationToken cancellationToken)
    {
        try
        {
            await client.StartAsync(definition, null, new() { InstanceId = id, CorrelationId = correlation }, cancellationToken);
        }
        catch (InvalidOperationException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            // Started before, by a host that died before it could say so.
        }

        await using var done = dataSource.CreateCommand("UPDATE chaos.wanted SET done = true WHERE id = $1");
        done.Parameters.Add(new() { Value = id });
        await done.ExecuteNonQueryAsync(cancellationToken);
    }
}

/// <summary>A clock that is wrong by a fixed time; how long something takes it measures right.</summary>
internal sealed class ShiftedTime(TimeSpan offset) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + offset;
}

/// <summary>Reads <c>--name value</c>.</summary>
internal static class Arguments
{
    public static string? Text(IReadOnlyList<string> args, string name)
    {
        for (var i = 0; i + 1 < args.Count; i++)
        {
            if (args[i] == name)
                return args[i + 1];
        }

        return null;
    }

    public static double Number(IReadOnlyList<string> args, string name, double otherwise) =>
        Text(args, name) is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
