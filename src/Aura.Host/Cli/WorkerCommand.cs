using System.CommandLine;
using Aura.Host.Configuration;
using Aura.Host.Worker;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Processes;

namespace Aura.Host.Cli;

/// <summary><c>aura worker</c>: an employee in a process of its own, which speaks HTTP only.</summary>
internal static class WorkerCommand
{
    public static Command Create()
    {
        var backend = new Option<string?>("--backend") { Description = $"Who does the work: {string.Join(", ", EmployeeBackends.Names)}. Default AURA_WORKER_BACKEND." };
        var manager = new Option<string?>("--manager") { Description = "The manager's address. Default AURA_MANAGER_URL, else http://127.0.0.1:8000." };
        var mcp = new Option<string?>("--mcp") { Description = "The MCP service's address. Default AURA_MCP_URL, else port 9000 beside the manager." };
        var model = new Option<string?>("--model") { Description = "The only model to serve. Default AURA_WORKER_MODEL, else those that the backend has." };
        var name = new Option<string?>("--name") { Description = "The name to report under. Default AURA_WORKER_NAME, else machine and process." };
        var once = new Option<bool>("--once") { Description = "End after one job: 0 when it was handed in, 1 when it was lost." };
        var command = new Command("worker", """
            Let an employee work in this process, over HTTP alone: no database, no files of a sandbox.

            The manager's workers' key comes from AURA_WORKER_KEY, AURA_WORKER_KEY_FILE, or the file worker.key of the state folder.
            What the backend needs comes from its own variables (OLLAMA_HOST, OPENAI_API_KEY, GEMINI_API_KEY …).
            A job that is under way when the worker stops is handed back; when the worker dies, another one takes it over.

            Examples:
              ./aura worker --backend ollama --manager http://manager:8000 --mcp http://mcp:9000
              ./aura worker --backend scripted --once
            """)
        {
            backend, manager, mcp, model, name, once,
        };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var host = AuraCli.Options();
            var options = WorkerOptions.Load(Environment.GetEnvironmentVariable, new Dictionary<string, string?>
            {
                ["AURA_WORKER_BACKEND"] = parsed.GetValue(backend),
                ["AURA_MANAGER_URL"] = parsed.GetValue(manager),
                ["AURA_MCP_URL"] = parsed.GetValue(mcp),
                ["AURA_WORKER_MODEL"] = parsed.GetValue(model),
                ["AURA_WORKER_NAME"] = parsed.GetValue(name),
            }, host, parsed.GetValue(once));
            return await RunAsync(options, host, parsed.IsJson() || Console.IsOutputRedirected, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(WorkerOptions options, AuraOptions host, bool isJson, CancellationToken cancellationToken)
    {
        using var loggers = LoggerFactory.Create(l =>
        {
            l.SetMinimumLevel(LogLevel.Information);
            if (isJson)
                l.AddJsonConsole(o => o.UseUtcTimestamp = true);
            else
                l.AddSimpleConsole(o => (o.SingleLine, o.TimestampFormat) = (true, "HH:mm:ss "));
        });
        using var manager = new WorkerHttp(options.Manager, TimeProvider.System);
        using var mcp = new WorkerHttp(options.Mcp, TimeProvider.System);
        using var processes = new ProcessRunner();
        var calls = new CollectedCalls();
        var backends = new EmployeeBackends(options.EmployeesOf(host), TimeProvider.System, loggers, calls, processes);
        var worker = new EmployeeWorker(options, backends, calls, manager, mcp, TimeProvider.System, loggers.CreateLogger<EmployeeWorker>());
        try
        {
            return await worker.RunAsync(cancellationToken) == WorkerRound.Lost ? ExitCodes.Failed : ExitCodes.Ok;
        }
        catch (WorkerRefusedException e)
        {
            throw new CliException(ExitCodes.Unavailable, e.Message);
        }
    }
}
