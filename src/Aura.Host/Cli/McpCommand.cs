using System.CommandLine;
using Aura.Host.Configuration;
using Aura.Host.Mcp;
using Aura.Host.Postgres;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;
using Aura.Orchestra.Users;
using ModelContextProtocol.Server;

namespace Aura.Host.Cli;

/// <summary><c>aura mcp --stdio</c>: the tools over standard input and output, for IDEs, desktop agents and command-line agents.</summary>
internal static class McpCommand
{
    public static Command Create()
    {
        var stdio = new Option<bool>("--stdio") { Description = "Speak over standard input and output. The only way so far; the service itself runs with ./aura up." };
        var job = new Option<string?>("--job") { Description = "Work in the sandbox of this job's newest attempt, straight from this machine's folders and database." };
        var token = new Option<string?>("--token-file") { Description = "With --url: the file that holds the token; it is read anew for each request." };
        var session = new Option<string?>("--session") { Description = "With --url: the sandbox that a person's token is to reach (what create_sandbox was given)." };
        var command = new Command("mcp", """
            The employees' tools (Model Context Protocol) over standard input and output.

            Examples:
              ./aura mcp --stdio --job job-2m4kq7wz
              ./aura mcp --stdio --url http://127.0.0.1:9000/mcp --token-file token.txt
              ./aura mcp --stdio --url http://127.0.0.1:9000/mcp --token-file .aura/director.key --session my-try
            """)
        {
            stdio, job, token, session,
        };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            if (!parsed.GetValue(stdio))
                throw new CliException(ExitCodes.Usage, "Say --stdio. To serve the tools over HTTP run: ./aura up --roles mcp");
            var url = parsed.GetValue<string?>("--url");
            var jobId = parsed.GetValue(job);
            if (jobId is null == url is null)
                throw new CliException(ExitCodes.Usage, "Say either --job (this machine's own) or --url with --token-file (a service).");
            return jobId is not null
                ? await ServeAsync(AuraCli.Options().WithKeys(), jobId, cancellationToken)
                : await BridgeAsync(url!, parsed.GetValue(token), parsed.GetValue(session), cancellationToken);
        });
        return command;
    }

    private static async Task<int> BridgeAsync(string url, string? tokenFile, string? session, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new CliException(ExitCodes.Usage, $"'{url}' is not an http(s) address.");
        if (tokenFile is null)
            throw new CliException(ExitCodes.Usage, "--url wants --token-file. A token on the command line would be seen by every process.");
        if (!File.Exists(tokenFile))
            throw new CliException(ExitCodes.Usage, $"There is no file '{tokenFile}'.");
        using var input = new StreamReader(Console.OpenStandardInput());
        await using var output = new StreamWriter(Console.OpenStandardOutput());
        using var bridge = new McpBridge(address, () => File.ReadAllText(tokenFile).Trim(), session, input, output);
        await bridge.RunAsync(cancellationToken);
        return ExitCodes.Ok;
    }

    private static async Task<int> ServeAsync(AuraOptions options, string jobId, CancellationToken cancellationToken)
    {
        using var processes = new ProcessRunner();
        await using var postgres = options.Database is null ? new EmbeddedPostgres(options.State, processes, TimeProvider.System) : null;
        var connection = options.Database ?? (await postgres!.StartAsync("aiorg", cancellationToken)).ConnectionString("aiorg");
        var services = new ServiceCollection();
        // Standard output belongs to the protocol.
        services.AddLogging(l => l.SetMinimumLevel(LogLevel.Warning).AddConsole(c => c.LogToStandardErrorThreshold = LogLevel.Trace));
        services.AddSingleton<IHostApplicationLifetime, NoLifetime>();
        services.AddMetrics();
        services.AddAura(options, connection);
        await using var provider = services.BuildServiceProvider();
        var job = await provider.GetRequiredService<JobStore>().GetAsync(jobId, cancellationToken)
            ?? throw new CliException(ExitCodes.NotFound, $"There is no job '{jobId}'. ./aura jobs lists them.");
        var opened = provider.GetRequiredService<ToolSessions>().Open(
            SandboxStore.IdOf(job.Id, Math.Max(job.Attempt, 1)), new(UserNames.Director, job.Id, Math.Max(job.Attempt, 1)));
        if (opened.Refusal is { } refusal)
            throw new CliException(ExitCodes.NotFound, $"{refusal.Message} A job has one from its first attempt on, until it is tidied up.");
        var server = provider.GetRequiredService<EmployeeServer>();
        await using var transport = new StdioServerTransport("aura", provider.GetRequiredService<ILoggerFactory>());
        await using var running = McpServer.Create(transport, server.Options(opened.Value), provider.GetRequiredService<ILoggerFactory>(), provider);
        await running.RunAsync(cancellationToken);
        return ExitCodes.Ok;
    }

    /// <summary>Nothing is hosted here: the registered loops do not run.</summary>
    private sealed class NoLifetime : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication()
        {
        }
    }
}
