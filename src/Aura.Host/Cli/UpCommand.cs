using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Json;
using Aura.Host.Hosting;
using Aura.Host.Roles;
using Aura.Orchestra.Employees;

namespace Aura.Host.Cli;

/// <summary><c>aura up</c>: keeps a host running until it is asked to stop.</summary>
internal static class UpCommand
{
    public static Command Create()
    {
        var port = new Option<string?>("--port") { Description = "The manager's port; 0 takes a free one. Default MANAGER_PORT, 8000." };
        var database = new Option<string?>("--database") { Description = "A connection string; default AURA_DATABASE or POSTGRES_*, else the embedded PostgreSQL." };
        var roles = new Option<string?>("--roles")
        {
            Description = $"What this process does: all, or a list of {string.Join(", ", RoleTable.All.Select(r => r.Name))}.",
        };
        var backend = new Option<string?>("--backend")
        {
            Description = $"Who works on PRDs that do not say: {string.Join(", ", EmployeeBackends.Choices)}. Default scripted, which calls no model.",
        };
        var state = new Option<string?>("--state") { Description = "The folder for what Aura makes for itself. Default .aura." };
        var projects = new Option<string?>("--projects") { Description = "The folder with the projects. Default real_projects." };
        var command = new Command("up", """
            Keep the host running.

            Examples:
              ./aura up
              ./aura up --backend ollama
              ./aura up --port 8001 --roles worker,validator --database "Host=db;Database=aiorg;Username=aiorg;Password=…"
            """)
        {
            port, database, roles, backend, state, projects,
        };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            var options = AuraCli.Options(new Dictionary<string, string?>
            {
                ["MANAGER_PORT"] = parsed.GetValue(port),
                ["AURA_DATABASE"] = parsed.GetValue(database),
                ["AURA_ROLES"] = parsed.GetValue(roles),
                ["AURA_BACKEND"] = parsed.GetValue(backend),
                ["AURA_STATE"] = parsed.GetValue(state),
                ["AURA_PROJECTS"] = parsed.GetValue(projects),
            });
            var isJson = parsed.IsJson() || Console.IsOutputRedirected;
            await using var host = await AuraHost.StartAsync(options, isJson ? LogStyle.Json : LogStyle.Lines, cancellationToken);
            Console.WriteLine(isJson
                ? JsonSerializer.Serialize(new { @event = "ready", url = host.Url, mcp = host.McpUrl })
                : $"Aura is up at {host.Url}. The Director's key: {options.DirectorKeyFile}. Ctrl-C stops it.");
            var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var registration = cancellationToken.Register(() => stop.TrySetResult());
            await stop.Task;
            return ExitCodes.Ok;
        });
        return command;
    }
}
