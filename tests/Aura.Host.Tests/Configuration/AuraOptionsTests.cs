using Aura.Host.Configuration;
using Aura.Host.Roles;
using Aura.Host.Worker;
using Aura.Orchestra.Employees;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Configuration;

public sealed class AuraOptionsTests
{
    [Fact]
    public void Load_NothingSet_HasTheDocumentedDefaults()
    {
        var options = Load([]);

        options.ManagerPort.ShouldBe(8000);
        options.McpPort.ShouldBe(9000);
        options.McpAllowedHosts.ShouldBeEmpty();
        options.Database.ShouldBeNull();
        options.Backend.ShouldBe("scripted");
        options.Roles.ShouldBe(RoleTable.All);
        options.SandboxBase.ShouldBe(Path.Combine(options.Root, "sandboxes"));
        options.ListenAddress.ShouldBe(System.Net.IPAddress.Loopback);
        options.AllowCSharp.ShouldBeFalse();
        options.StudioDirectory.ShouldBe(Path.Combine(options.State, "tools", "studio", "node_modules", "@elsa-workflows", "elsa-studio-wasm"));
        options.HttpWorkflowsPath.ShouldBe("/workflows");
    }

    [Fact]
    public void Load_EmployeesFile_IsReadAndItsMistakesAreReported()
    {
        var root = Directory.CreateTempSubdirectory("aura-options-").FullName;
        var file = Path.Combine(root, "employees.json");
        File.WriteAllText(file, """{ "agents": { "a": { "command": "/usr/bin/env", "secrets": ["AGENT_KEY", "OTHER_KEY"] } } }""");
        File.WriteAllText(Path.Combine(root, "key"), "from-a-file\n");
        var given = new Dictionary<string, string> { ["AURA_ROOT"] = root, ["AGENT_KEY_FILE"] = Path.Combine(root, "key") };

        Load(given).Agents.ShouldHaveSingleItem()
            .Secrets.ShouldBe(new Dictionary<string, string?> { ["AGENT_KEY"] = "from-a-file", ["OTHER_KEY"] = null });

        File.WriteAllText(file, """{ "agents": { "a": { "network": "all" } } }""");
        given["AURA_EMPLOYEE_COST"] = "much";
        given["OLLAMA_CONTEXT_LENGTH"] = "100";
        given["AURA_PRICES"] = "nowhere.json";
        var problems = Should.Throw<InvalidOptionsException>(() => Load(given)).Problems;
        problems.Count(p => p.StartsWith($"AURA_EMPLOYEES cannot be used: {file}: $.agents['a']", StringComparison.Ordinal)).ShouldBe(2);
        problems.Select(p => p.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal)
            .ShouldBe(["AURA_EMPLOYEES", "AURA_EMPLOYEE_COST", "AURA_PRICES", "OLLAMA_CONTEXT_LENGTH"]);
        Should.Throw<InvalidOptionsException>(() => Load(new() { ["AURA_EMPLOYEES"] = "/nowhere.json" })).Problems.ShouldHaveSingleItem()
            .ShouldContain("cannot be read");
        Directory.Delete(root, recursive: true);
    }

    [Theory]
    [InlineData("/flows/", "/flows")]
    [InlineData("/api/v2-flows", "/api/v2-flows")]
    [InlineData("flows", null)]
    [InlineData("/a//b", null)]
    [InlineData("/{any}", null)]
    public void Load_HttpWorkflowsPath_IsAPlainPath(string given, string? path)
    {
        if (path is not null)
            Load(new() { ["AURA_HTTP_WORKFLOWS_PATH"] = given }).HttpWorkflowsPath.ShouldBe(path);
        else
            Should.Throw<InvalidOptionsException>(() => Load(new() { ["AURA_HTTP_WORKFLOWS_PATH"] = given })).Problems.ShouldHaveSingleItem().ShouldContain("/workflows");
    }

    [Theory]
    [InlineData("0", "", 0)]
    [InlineData("0", "9100", 9100)]
    [InlineData("8100", "", 9000)]
    public void Load_McpPort_IsFreeWhereTheManagersIs(string manager, string mcp, int expected) =>
        Load(new() { ["MANAGER_PORT"] = manager, ["MCP_PORT"] = mcp }).McpPort.ShouldBe(expected);

    [Fact]
    public void Load_McpAllowedHosts_AreNamesWithoutPorts()
    {
        Load(new() { ["MCP_ALLOWED_HOSTS"] = "aura, mcp.example.org" }).McpAllowedHosts.ShouldBe(["aura", "mcp.example.org"]);
        Should.Throw<InvalidOptionsException>(() => Load(new() { ["MCP_ALLOWED_HOSTS"] = "http://aura" })).Problems.ShouldHaveSingleItem().ShouldContain("MCP_ALLOWED_HOSTS");
    }

    [Fact]
    public void Load_ManyMistakes_ReportsAllOfThemByName()
    {
        var problems = Should.Throw<InvalidOptionsException>(() => Load(new()
        {
            ["MANAGER_PORT"] = "eighty",
            ["MCP_PORT"] = "70000",
            ["AURA_ROLES"] = "manager,cook",
            ["AURA_BACKEND"] = "magic",
            ["DIRECTOR_API_KEY"] = "short",
            ["AURA_TOKEN_KEY"] = "sixteen-or-so-chars",
            ["OPENAI_BASE_URL"] = "not a url",
            ["AURA_DATABASE"] = "Host=x;Nonsense=1",
            ["AURA_VALIDATION_SECONDS"] = "-1",
            ["AURA_LISTEN"] = "everywhere",
            ["AURA_ALLOW_CSHARP"] = "perhaps",
            ["AURA_HTTP_WORKFLOWS_PATH"] = "/",
            ["AURA_WORKFLOW_RETENTION_DAYS"] = "a year",
            ["GEMINI_API_KEY_FILE"] = "/nowhere/at/all",
        })).Problems;

        problems.Select(p => p.Split(' ')[0]).Order(StringComparer.Ordinal).ShouldBe(
        [
            "AURA_ALLOW_CSHARP", "AURA_BACKEND", "AURA_DATABASE", "AURA_HTTP_WORKFLOWS_PATH", "AURA_LISTEN", "AURA_ROLES", "AURA_TOKEN_KEY",
            "AURA_VALIDATION_SECONDS", "AURA_WORKFLOW_RETENTION_DAYS", "DIRECTOR_API_KEY", "GEMINI_API_KEY_FILE", "MANAGER_PORT", "MCP_PORT", "OPENAI_BASE_URL",
        ]);
        problems.ShouldContain(p => p.Contains("worker", StringComparison.Ordinal) && p.Contains("cook", StringComparison.Ordinal));
    }

    [Fact]
    public void Load_Retention_DefaultsToAYearAndZeroKeepsForEver()
    {
        Load([]).WorkflowRetention.ShouldBe(TimeSpan.FromDays(365));
        Load([]).WorkflowRetentionCount.ShouldBeNull();
        Load(new() { ["AURA_WORKFLOW_RETENTION_DAYS"] = "0", ["AURA_WORKFLOW_RETENTION_COUNT"] = "5000" })
            .ShouldSatisfyAllConditions(o => o.WorkflowRetention.ShouldBeNull(), o => o.WorkflowRetentionCount.ShouldBe(5000));
    }

    [Fact]
    public void Load_CommandLineAndEnvironment_CommandLineWins() => AuraOptions.Load(
        name => name == "MANAGER_PORT" ? "8100" : null, new Dictionary<string, string?> { ["MANAGER_PORT"] = "8200" }).ManagerPort.ShouldBe(8200);

    [Fact]
    public void Load_PostgresVariables_MakeAConnectionString()
    {
        var database = Load(new() { ["POSTGRES_HOST"] = "db", ["POSTGRES_USER"] = "me", ["POSTGRES_PASSWORD"] = "p;w" }).Database!;

        var parsed = new Npgsql.NpgsqlConnectionStringBuilder(database);
        (parsed.Host, parsed.Database, parsed.Username, parsed.Password).ShouldBe(("db", "aiorg", "me", "p;w"));
    }

    [Fact]
    public void Load_SecretFile_IsRead()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "a-long-enough-director-key\n");
            Load(new() { ["DIRECTOR_API_KEY_FILE"] = file }).DirectorKey.ShouldBe("a-long-enough-director-key");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task WithKeys_ManyAtOnce_AllGetTheSameKeyAndTheFileIsPrivate()
    {
        var folder = Directory.CreateTempSubdirectory("aura-options-");
        try
        {
            var options = Load(new() { ["AURA_STATE"] = folder.FullName });
            var keys = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => options.WithKeys().DirectorKey)));

            keys.Distinct().ShouldHaveSingleItem().Length.ShouldBeGreaterThanOrEqualTo(32);
            File.GetUnixFileMode(options.DirectorKeyFile).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Secrets_OfTheDatabaseThatTheHostBrings_AreKnownToTheEmployees()
    {
        const string password = "3f0c9a7be1d24455b6";
        var services = new ServiceCollection();
        services.AddAura(
            Load(new() { ["DIRECTOR_API_KEY"] = "a-director-key-for-tests" }), $"Host=127.0.0.1;Username=aura;Password={password};Database=aiorg");

        services.Select(s => s.ImplementationInstance).OfType<EmployeeOptions>().ShouldHaveSingleItem().Secrets.ShouldContain(password);
    }

    [Fact]
    public void Secrets_OfAWorkerWithItsKeyInAFile_HoldTheKey()
    {
        var folder = Directory.CreateTempSubdirectory("aura-options-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "worker.key"), "wk_of-this-machine\n");
            var host = Load(new() { ["AURA_STATE"] = folder.FullName });

            var worker = WorkerOptions.Load(_ => null, new Dictionary<string, string?> { ["AURA_WORKER_BACKEND"] = "scripted" }, host, once: true);

            worker.EmployeesOf(host).Secrets.ShouldContain("wk_of-this-machine");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void RoleTable_EveryQueueOfTheWorkflows_HasAWorker()
    {
        var queues = RoleTable.All.SelectMany(r => r.Queues).Select(q => q.Queue.TrimEnd('*')).ToList();

        foreach (var queue in new[] { "default", "integrator", "validator", "employee:scripted" })
            queues.ShouldContain(q => queue.StartsWith(q, StringComparison.Ordinal), queue);
        RoleTable.All.Select(r => r.Name).ShouldBeUnique();
    }

    private static AuraOptions Load(Dictionary<string, string> variables) => AuraOptions.Load(name => variables.GetValueOrDefault(name));
}
