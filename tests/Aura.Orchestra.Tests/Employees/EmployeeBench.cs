using Aura.Orchestra.Employees;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tests.Sandboxes;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>A sandbox of a small project, and a folder for scripts.</summary>
internal sealed class EmployeeBench : IAsyncDisposable
{
    private EmployeeBench(TestProject project, Sandbox sandbox) => (Project, Sandbox) = (project, sandbox);

    public TestProject Project { get; }
    public Sandbox Sandbox { get; }
    public IEmployeeTools Tools => new SandboxHands(Sandbox);
    public string ScriptDirectory => Directory.CreateDirectory(Path.Combine(Project.Root, "scripts")).FullName;
    public EmployeeOptions Options => new() { ProjectsDirectory = Path.Combine(Project.Root, "real_projects"), Scripted = new() { Directory = ScriptDirectory } };

    public static EmployeeRequest Request { get; } = new()
    {
        PrdId = "prd-aaaa2222",
        PrdTitle = "The PRD",
        JobId = "job-aaaa2222",
        Title = "The job",
        Attempt = 1,
        MaxAttempts = 3,
        ProjectName = "demo",
        Model = ScriptedEmployee.ModelName,
    };

    public static async Task<EmployeeBench> CreateAsync(params string[] allowed)
    {
        var project = await TestProject.CreateAsync(("app.py", "one\ntwo\nthree\n"), ("tests/test_app.py", "def test():\n    pass\n"));
        return new(project, await project.SandboxAsync(allowed: allowed));
    }

    public string Script(string json, string name = "a.script.json")
    {
        var path = Path.Combine(ScriptDirectory, name);
        File.WriteAllText(path, json);
        return path;
    }

    public async Task<string> ReadAsync(string path) => (await Sandbox.ReadFileAsync(path)).Value;

    public ValueTask DisposeAsync() => Project.DisposeAsync();
}
