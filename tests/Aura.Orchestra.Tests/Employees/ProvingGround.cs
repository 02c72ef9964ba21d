using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Planning;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Validation;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>A PRD file of this repository played through all that proves work, without the workflow and the database.</summary>
internal sealed class ProvingGround : IDisposable
{
    private readonly ProcessRunner _processes = new();
    private readonly SandboxStore _sandboxes;
    private readonly ValidationTreeBuilder _trees;
    private readonly EmployeeOptions _options;
    private readonly JsonElement _prd;

    public ProvingGround(string prdFile, JailOptions? jail = null)
    {
        Root = Directory.CreateTempSubdirectory("aura-proving-").FullName;
        Git = new(_processes);
        _prd = JsonDocument.Parse(File.ReadAllText(prdFile)).RootElement.Clone();
        _options = new() { ProjectsDirectory = Repository.Path("real_projects"), Scripted = new() { Directory = Path.GetDirectoryName(prdFile) } };
        Projects = new(new() { ProjectsDirectory = _options.ProjectsDirectory, StateDirectory = Path.Combine(Root, "state") }, Git, TimeProvider.System);
        _sandboxes = new(new() { BaseDirectory = Path.Combine(Root, "sandboxes"), SnapshotDirectory = Path.Combine(Root, "snapshots") }, Git, TimeProvider.System);
        _trees = new(Path.Combine(Root, "validation"), Git, TimeProvider.System);
        var cell = new Jail(jail ?? new() { WallTime = TimeSpan.FromSeconds(60) }, _processes, TimeProvider.System);
        Pytest = new(cell, _trees, Path.Combine(Root, "state"));
        Linters = new(cell);
        Graph = ((PlanOutcome.Planned)PlanGraph.Create([.. _prd.GetProperty("tasks").EnumerateArray().Select(TaskOf)])).Graph;
    }

    public const string PrdId = "prd-demo2222";

    public string Root { get; }
    public Git Git { get; }
    public ProjectRepositories Projects { get; }
    public PytestRunner Pytest { get; }
    public LinterRunner Linters { get; }
    public PlanGraph Graph { get; }
    public string Project => _prd.GetProperty("project_id").GetString()!;

    public async Task<string> StartAsync() =>
        await Projects.CreatePrdBranchAsync(Project, PrdId, await Projects.ImportAsync(Project));

    public IReadOnlyList<AcceptanceTest> AcceptanceTests(string? task = null) =>
    [
        .. _prd.GetProperty("acceptance_tests").EnumerateArray()
            .Where(t => task is null || Graph.MustPass(task, t.TryGetProperty("task", out var of) ? of.GetString() : null))
            .Select(t => new AcceptanceTest(t.GetProperty("path").GetString()!, t.GetProperty("content").GetString()!)),
    ];

    /// <summary>One attempt in a fresh sandbox on the PRD's head, with what the employee said and what it left.</summary>
    public async Task<(EmployeeResult Result, UnifiedDiff Diff, string Base)> WorkAsync(string taskId, int attempt)
    {
        var task = Graph.Tasks.Single(t => t.Id == taskId);
        var start = await Projects.HeadAsync(Project, PrdId);
        var job = JobOf(taskId);
        var sandbox = await _sandboxes.CreateAsync(new()
        {
            SandboxId = SandboxStore.IdOf(job, attempt),
            JobId = job,
            Attempt = attempt,
            ProjectName = Project,
            RepositoryPath = Projects.RepositoryPath(Project),
            BaseCommit = start,
            AllowedPaths = task.AllowedPaths,
        });
        var result = await new ScriptedEmployee(_options, TimeProvider.System).WorkAsync(
            new()
            {
                PrdId = PrdId,
                PrdTitle = _prd.GetProperty("title").GetString()!,
                JobId = job,
                Title = task.Title,
                Attempt = attempt,
                MaxAttempts = 3,
                ProjectName = Project,
                Model = ScriptedEmployee.ModelName,
                AllowedPaths = task.AllowedPaths,
            },
            new SandboxHands(sandbox), CancellationToken.None);
        return (result, (await sandbox.DiffAsync()).Value, start);
    }

    public async Task<(PytestVerdict Tests, IReadOnlyList<Tick> Ticks)> ProveAsync(string name, string baseCommit, string diff, IReadOnlyList<AcceptanceTest> tests)
    {
        var tree = await _trees.BuildAsync(new()
        {
            Name = name,
            RepositoryPath = Projects.RepositoryPath(Project),
            BaseCommit = baseCommit,
            Diff = diff,
            AcceptanceTests = tests,
        });
        tree.IsUsable.ShouldBeTrue(tree.Details);
        var verdict = await Pytest.RunAsync(tree);
        return (verdict, Ticks.From(tree, verdict, await Linters.RunAsync(tree), new()));
    }

    public async Task<IntegrationResult> IntegrateAsync(string taskId, int attempt, string baseCommit, string diff) =>
        await Projects.IntegrateAsync(new()
        {
            ProjectName = Project,
            PrdId = PrdId,
            JobId = JobOf(taskId),
            Attempt = attempt,
            Title = taskId,
            BaseCommit = baseCommit,
            Patch = diff,
        });

    public static string JobOf(string taskId) => $"job-{taskId}";

    public void Dispose()
    {
        _processes.Dispose();
        SandboxStore.DeleteTree(Root);
    }

    private static PlanTask TaskOf(JsonElement task) => new()
    {
        Id = task.GetProperty("id").GetString()!,
        Title = task.GetProperty("title").GetString()!,
        DependsOn = [.. task.GetProperty("depends_on").EnumerateArray().Select(d => d.GetString()!)],
        AllowedPaths = [.. task.GetProperty("payload").GetProperty("allowed_paths").EnumerateArray().Select(d => d.GetString()!)],
    };
}
