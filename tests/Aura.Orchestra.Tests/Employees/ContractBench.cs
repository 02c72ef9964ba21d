using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Cli;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Validation;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>Keeps the rows.</summary>
internal sealed class MemoryLedger : IModelLedger
{
    private readonly ConcurrentQueue<ModelCall> _calls = new();

    public IReadOnlyList<ModelCall> Calls => [.. _calls];

    public Task RecordAsync(ModelCall call, CancellationToken cancellationToken)
    {
        _calls.Enqueue(call);
        return Task.CompletedTask;
    }
}

/// <summary>Each backend with its real counterpart: the mock server for models, a real agent in the real jail for <c>cli</c>, a script for
/// <c>scripted</c>.</summary>
internal sealed class ContractBench : IAsyncDisposable
{
    /// <summary>Reaches the agent as a secret and must come out nowhere.</summary>
    public const string AgentSecret = "agent-secret-4711";

    private readonly AimockServer _server;
    private readonly DirectoryInfo _tools = Directory.CreateTempSubdirectory("aura-contract-");

    private ContractBench(AimockServer server, EmployeeBench bench) => (_server, Bench) = (server, bench);

    public EmployeeBench Bench { get; }
    public MemoryLedger Ledger { get; } = new();
    public ConcurrentQueue<string> Log { get; } = new();

    public static async Task<ContractBench> CreateAsync(AimockServer server, params string[] allowed) =>
        new(server, await EmployeeBench.CreateAsync(allowed));

    public async Task<EmployeeResult> WorkAsync(
        string backend, string model, Action<EmployeeOptions>? change = null, Func<EmployeeRequest, EmployeeRequest>? request = null,
            CancellationToken cancellationToken = default)
    {
        var options = _server.Options();
        options.Scripted = new() { Directory = Bench.ScriptDirectory };
        options.ProjectsDirectory = Bench.Options.ProjectsDirectory;
        if (backend == "scripted")
            Bench.Script(JsonSerializer.Serialize(Script(model)), $"{model}.script.json");
        if (backend == "cli")
            options.Agents = [Agent(model)];
        // The tests' own jail slots, so that a running host keeps its own.
        options.AgentJail.SlotDirectory = Path.Combine(Path.GetTempPath(), "aura-test-agents");
        change?.Invoke(options);
        var asked = EmployeeBench.Request with
        {
            Model = backend == "scripted" ? ScriptedEmployee.ModelName : model,
            Description = "Make app.py say done.",
            WorkDirectory = Bench.Sandbox.WorkDirectory,
            Log = lines =>
            {
                Log.Enqueue(lines);
                return Task.CompletedTask;
            },
        };
        return await new EmployeeBackends(options, TimeProvider.System, ledger: Ledger, processes: Bench.Project.Processes).Adapter(backend)
            .WorkAsync(request?.Invoke(asked) ?? asked, Bench.Tools, cancellationToken);
    }

    public CliAgent Agent(string name)
    {
        var file = Path.Combine(_tools.FullName, "agent.py");
        File.Copy(Repository.Path("tests", "fixtures", "agent.py"), file, overwrite: true);
        File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(_tools.FullName, (UnixFileMode)0b111_101_101);
        return new()
        {
            Name = name,
            Command = file,
            Arguments = ["{model}"],
            Model = name,
            Mounts = [_tools.FullName],
            Secrets = new Dictionary<string, string?> { ["AGENT_KEY"] = AgentSecret },
            Environment = new Dictionary<string, string> { ["MODE"] = "batch" },
            ExitCodes = new Dictionary<int, EmployeeFinish> { [3] = EmployeeFinish.Refused },
            Changes = name == "c-arguments" ? AgentChanges.Patch : AgentChanges.Files,
            TimeLimit = name == "c-endless" ? TimeSpan.FromSeconds(2) : null,
        };
    }

    public async ValueTask DisposeAsync()
    {
        await Bench.DisposeAsync();
        _tools.Delete(recursive: true);
    }

    private static object Script(string model)
    {
        static object Call(string tool, object arguments) => new { tool, arguments };
        object[] calls = model switch
        {
            "c-works" =>
                [Call("list_files", new { pattern = "**" }), Call("read_file", new { path = "app.py" }),
                Call("write_file", new { path = "app.py", content = "done\n" })],
            "c-refused" =>
                [Call("write_file", new { path = "../../evil.py", content = "x" }), Call("write_file", new { path = "app.py", content = "done\n" })],
            "c-arguments" => [Call("write_file", new { path = "app.py" }), Call("write_file", new { path = "app.py", content = "done\n" })],
            "c-stalls" => [Call("write_file", new { path = "app.py", content = "begun\n" }), Call("sleep", new { seconds = 600 })],
            "c-refuses" => [Call("fail", new { message = "I would rather not." })],
            _ => throw new ArgumentException($"There is no script for '{model}'.", nameof(model)),
        };
        var confidence = model switch { "c-works" => 0.8, "c-refused" => 0.7, "c-arguments" => 0.6, _ => 0.5 };
        return new
        {
            jobs = new Dictionary<string,
            object>
            { [EmployeeBench.Request.Title] = new { attempts = new[] { new { calls, explanation = "Wrote app.py", confidence } } } }
        };
    }
}
