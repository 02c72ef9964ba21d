using System.CommandLine;
using System.Text.Json;
using Aura.Host.Configuration;
using Aura.Host.Postgres;
using Microsoft.AspNetCore.Connections;
using Npgsql;

namespace Aura.Host.Cli;

/// <summary>The command line: verbs, shared options, and one place where failures become messages and exit codes.</summary>
internal static class AuraCli
{
    private static readonly Option<bool> JsonOption = new("--json") { Description = "Machine-readable output: JSON instead of tables.", Recursive = true };
    private static readonly Option<string?> UrlOption = new("--url") { Description = "The manager's address; default AURA_URL, else the host running here.", Recursive = true };

    public static async Task<int> RunAsync(string[] args)
    {
        var root = new RootCommand("""
            Aura runs an AI software organisation on your own machines.

            First steps:
              ./aura demo                     see a PRD go from HTTP to the archive
              ./aura up                       keep the host running
              ./aura prd submit my-prd.json   hand in a PRD
              ./aura logs -f                  watch what happens
              ./aura diff prd-…               read what would be merged
              ./aura approve prd-…            merge exactly that diff

            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 69 unavailable, 130 interrupted.
            """);
        root.Options.Add(JsonOption);
        root.Options.Add(UrlOption);
        root.Subcommands.Add(DemoCommand.Create());
        root.Subcommands.Add(UpCommand.Create());
        root.Subcommands.Add(WorkerCommand.Create());
        foreach (var command in ManagerCommands.Create())
            root.Subcommands.Add(command);
        root.Subcommands.Add(WorkflowCommands.Create());
        root.Subcommands.Add(McpCommand.Create());
        root.Subcommands.Add(SandboxesCommand.CreateSandboxes());
        root.Subcommands.Add(SandboxesCommand.CreateSnapshots());
        root.Subcommands.Add(DoctorCommand.Create());
        root.Subcommands.Add(PostgresCommand.Create());
        // The launcher runs the tests itself; the verb stands here for the help.
        root.Subcommands.Add(new Command("test", "Run every test (./aura test [filter]); ends with 'N passed, N failed, N skipped'."));

        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                await Console.Error.WriteLineAsync(error.Message);
            await Console.Error.WriteLineAsync($"See: ./aura {string.Join(' ', args.TakeWhile(a => !a.StartsWith('-')).Take(2))} --help");
            return ExitCodes.Usage;
        }

        return await parsed.InvokeAsync(new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
    }

    public static bool IsJson(this ParseResult parsed) => parsed.GetValue(JsonOption);

    /// <summary>Runs a verb's body; every failure that a user can do something about becomes a message.</summary>
    public static void SetBody(this Command command, Func<ParseResult, CancellationToken, Task<int>> body) =>
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                return await body(parsed, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return ExitCodes.Interrupted;
            }
            catch (CliException e)
            {
                return Fail(parsed, e.ExitCode, e.Message);
            }
            catch (InvalidOptionsException e)
            {
                return Fail(parsed, ExitCodes.Usage, e.Message);
            }
            catch (PostgresUnavailableException e)
            {
                return Fail(parsed, ExitCodes.Unavailable, e.Message);
            }
            catch (NpgsqlException e)
            {
                return Fail(parsed, ExitCodes.Unavailable, $"The database cannot be used: {e.Message}");
            }
            catch (Workflows.Definitions.InvalidDefinitionException e)
            {
                return Fail(parsed, ExitCodes.Failed, e.Message);
            }
            catch (IOException e) when (e.InnerException is AddressInUseException)
            {
                return Fail(parsed, ExitCodes.Unavailable, $"{e.Message} Choose another port with --port or MANAGER_PORT, for the tools with MCP_PORT; 0 takes a free one.");
            }
            catch (IOException e)
            {
                return Fail(parsed, ExitCodes.Failed, e.Message);
            }
        });

    public static AuraOptions Options(IReadOnlyDictionary<string, string?>? given = null) => AuraOptions.Load(Environment.GetEnvironmentVariable, given);

    /// <summary>A client of the manager: --url, AURA_URL, the host of this state folder, or the default port.</summary>
    public static ManagerClient Manager(ParseResult parsed)
    {
        var options = Options();
        var url = parsed.GetValue(UrlOption) ?? Environment.GetEnvironmentVariable("AURA_URL") ?? UrlOf(options.HostFile) ?? $"http://127.0.0.1:{options.ManagerPort}";
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            throw new CliException(ExitCodes.Usage, $"'{url}' is not an http(s) address.");
        var key = options.DirectorKey.Length > 0 ? options.DirectorKey
            : File.Exists(options.DirectorKeyFile) ? File.ReadAllText(options.DirectorKeyFile).Trim()
            : throw new CliException(ExitCodes.Unavailable, "There is no Director's key yet. Start the host with ./aura up, or set DIRECTOR_API_KEY.");
        return new(url, key);
    }

    private static string? UrlOf(string hostFile)
    {
        try
        {
            return File.Exists(hostFile) ? JsonSerializer.Deserialize<JsonElement>(File.ReadAllText(hostFile)).GetProperty("url").GetString() : null;
        }
        catch (Exception e) when (e is JsonException or IOException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static int Fail(ParseResult parsed, int exitCode, string message)
    {
        if (parsed.IsJson())
            DemoDisplay.Write(new { @event = "error", exit_code = exitCode, message });
        else
            Console.Error.WriteLine($"aura: {message}");
        return exitCode;
    }
}
