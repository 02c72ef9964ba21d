using Aura.Activities;
using Aura.Host.Api;
using Aura.Host.Configuration;
using Aura.Host.Elsa;
using Aura.Host.Mcp;
using Aura.Host.Roles;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Models;
using Aura.Orchestra.Planning;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Processes;
using Aura.Orchestra.Projects;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Scoring;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tools;
using Aura.Orchestra.Validation;
using Aura.Workflows;
using Aura.Workflows.Definitions;
using Aura.Workflows.Http;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.AspNetCore.DataProtection;
using Npgsql;

namespace Aura.Host;

/// <summary>Puts the engine and the organisation together: the one place where both are registered.</summary>
public static class Composition
{
    /// <summary>The queues of all backends of employees.</summary>
    public const string EmployeeQueues = EmployeeBackends.QueuePrefix + "*";

    private const string PrdPipeline = "prd-pipeline";

    /// <summary>Registers everything a process with these options runs.</summary>
    public static void AddAura(this IServiceCollection services, AuraOptions options, string connectionString)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(_ => NpgsqlDataSource.Create(connectionString));
        services.AddOrganisation(options, connectionString);
        services.AddAuraWorkflows(o =>
        {
            o.FaultPoint = options.FaultPoint;
            o.TaskLease = options.TaskLease;
            o.QueueLimits[EmployeeQueues] = options.MaxEmployees;
            o.AllowCSharp = options.AllowCSharp;
            o.OnFinished = OnFinished;
            o.Retention.MaxAge = options.WorkflowRetention;
            o.Retention.MaxCount = options.WorkflowRetentionCount;
        });
        services.AddSingleton<IWorkflowGateway, WorkflowGateway>();
        services.AddHttpWorkflows(o => o.BasePath = options.HttpWorkflowsPath);
        services.AddWorkflowInstanceHub();
        if (options.Roles.Any(r => r.RunsWorkflows))
            services.AddWorkflowLoops();
        foreach (var queue in options.Roles.SelectMany(r => r.Queues))
            services.AddTaskLoop(queue.Queue, queue.Queue == EmployeeQueues ? options.MaxEmployees : queue.Concurrency);
        services.AddTaskLeases();
        if (options.Roles.Any(r => r.Queues.Any(q => q.Queue == EmployeeQueues)))
            services.AddLoop<ModelWatch>();
        if (options.Roles.Any(r => r.Sweeps))
            services.AddLoop<SandboxSweepLoop>();
        services.AddAuraApi(o =>
        {
            o.DirectorKey = options.DirectorKey;
            o.TokenKey = options.TokenKey;
            o.WorkerKey = options.WorkerKey;
            o.ProjectsRoot = options.ProjectsDirectory;
            o.SandboxBase = options.SandboxBase;
        });
        services.AddMcp(options);
        services.AddHealthChecks().AddCheck<LoopsCheck>("loops");
        // The API's key handler encrypts nothing: no key ring in the user's home.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
    }

    /// <summary>Brings the database up to date and publishes the workflow files. Hosts may do it at the same time.</summary>
    /// <exception cref="InvalidDefinitionException">A workflow file cannot be read; the message names it.</exception>
    public static async Task PrepareAsync(IServiceProvider services, ILogger logger, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(services);
        var dataSource = services.GetRequiredService<NpgsqlDataSource>();
        foreach (var migrator in Migrators())
            await migrator.ApplyAsync(dataSource, cancellationToken);
        services.GetRequiredService<ActivityRegistry>().AddFrom(typeof(DecomposePrd).Assembly);

        var options = services.GetRequiredService<AuraOptions>();
        var definitions = services.GetRequiredService<DefinitionStore>();
        foreach (var file in Directory.EnumerateFiles(options.WorkflowsDirectory, "*.json").Order(StringComparer.Ordinal))
        {
            var definition = WorkflowDefinition.Parse(await File.ReadAllTextAsync(file, cancellationToken), Path.GetFileName(file));
            var outcome = await definitions.ImportAsync(definition, cancellationToken);
            if (outcome == ImportOutcome.KeptEdited)
                HostLog.KeptEdited(logger, Path.GetFileName(file), definition.DefinitionId);
        }

        await EnsureModelsAsync(services, dataSource, cancellationToken);
    }

    /// <summary>What checks workflow files as publishing would, without a database. Dispose it after use.</summary>
    public static ServiceProvider WorkflowChecks(AuraOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var services = new ServiceCollection();
        services.AddLogging();
        // Registered by the engine's stores, and never opened by the checks.
        services.AddSingleton(_ => NpgsqlDataSource.Create("Host=localhost"));
        services.AddAuraWorkflows(o => o.AllowCSharp = options.AllowCSharp);
        services.AddHttpWorkflows(o => o.BasePath = options.HttpWorkflowsPath);
        services.AddSingleton(Queues);
        services.AddSingleton<DefinitionFolder>();
        var provider = services.BuildServiceProvider();
        provider.GetRequiredService<ActivityRegistry>().AddFrom(typeof(DecomposePrd).Assembly);
        return provider;
    }

    private static TaskQueues Queues => new([.. RoleTable.All.SelectMany(r => r.Queues).Select(q => q.Queue)]);

    public static IEnumerable<SqlMigrator> Migrators() =>
        [new("wf", typeof(SqlMigrator).Assembly), new("aura", typeof(PrdStore).Assembly)];

    private static void AddOrganisation(this IServiceCollection services, AuraOptions options, string connectionString)
    {
        services.AddAuraRecords();
        services.AddSingleton<ProcessRunner>();
        services.AddSingleton<Git>();
        services.AddSingleton(options.Sandboxes());
        services.AddSingleton<SandboxStore>();
        services.AddSingleton<SnapshotKeeper>();
        services.AddSingleton<SandboxSweeper>();
        services.AddSingleton(new ProjectOptions { ProjectsDirectory = options.ProjectsDirectory, StateDirectory = options.State });
        services.AddSingleton<ProjectRepositories>();
        services.AddSingleton(new JailOptions { Isolation = options.Isolation, WallTime = options.ValidationTime });
        services.AddSingleton<Jail>();
        services.AddSingleton(s => new ValidationTreeBuilder(
            Path.Combine(options.State, "validation"), s.GetRequiredService<Git>(), s.GetRequiredService<TimeProvider>()));
        services.AddSingleton(s => new PytestRunner(s.GetRequiredService<Jail>(), s.GetRequiredService<ValidationTreeBuilder>(), options.State));
        services.AddSingleton<LinterRunner>();
        services.AddSingleton<OwnTests>();
        services.AddSingleton<ToolSessions>();
        services.AddSingleton<AttemptTrees>();
        services.AddSingleton<TickOptions>();
        services.AddSingleton<ScoreWeights>();
        // Not the options' connection: of the database that the host brings along the options know nothing.
        services.AddSingleton(EmployeesOf(options, PasswordOf(connectionString)));
        services.AddSingleton<IModelLedger>(s => s.GetRequiredService<ModelCallStore>());
        services.AddSingleton<EmployeeBackends>();
        services.AddSingleton<Planner>();
        services.AddSingleton(Queues);
    }

    /// <param name="secrets">What no prompt and no protocol may show, beyond what the options hold.</param>
    internal static EmployeeOptions EmployeesOf(AuraOptions options, params IEnumerable<string> secrets)
    {
        var employees = new EmployeeOptions
        {
            DefaultBackend = options.Backend,
            ProjectsDirectory = options.ProjectsDirectory,
            Scripted = new() { Directory = options.ScriptsDirectory },
            Ollama = new() { Host = options.OllamaHost, Models = options.Models[EmployeeBackends.Ollama], ContextTokens = options.OllamaContext },
            Agents = options.Agents,
            Prices = options.Prices,
            MaxTurns = options.EmployeeLimits.Turns,
            MaxTokens = options.EmployeeLimits.Tokens > 0 ? options.EmployeeLimits.Tokens : null,
            MaxCost = options.EmployeeLimits.Cost > 0 ? options.EmployeeLimits.Cost : null,
            TimeLimit = options.EmployeeLimits.Time,
            Secrets =
            [
                .. options.Secrets, .. PasswordOf(options.Database), .. secrets,
                .. new[] { options.DirectorKey, options.WorkerKey, options.TokenKey }.OfType<string>(),
            ],
            CaptureContent = options.TraceContent,
        };
        employees.AgentJail.Isolation = options.Isolation;
        employees.OpenAi.ApiKey = options.OpenAiKey;
        employees.OpenAi.BaseUrl = options.OpenAiBaseUrl ?? employees.OpenAi.BaseUrl;
        employees.Gemini.ApiKey = options.GeminiKey;
        employees.Gemini.BaseUrl = options.GeminiBaseUrl ?? employees.Gemini.BaseUrl;
        if (options.Models[EmployeeBackends.OpenAi] is { Count: > 0 } openAi)
            employees.OpenAi.Models = openAi;
        if (options.Models[EmployeeBackends.Gemini] is { Count: > 0 } gemini)
            employees.Gemini.Models = gemini;
        return employees;
    }

    private static IReadOnlyList<string> PasswordOf(string? connectionString) => SecretRedactor.SecretsOf(
        new Dictionary<string, string?> { ["PASSWORD"] = new NpgsqlConnectionStringBuilder(connectionString).Password });

    /// <summary>Every available backend's models become employees; whether one is active stays as HR or the Director left it.</summary>
    private static async Task EnsureModelsAsync(IServiceProvider services, NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        foreach (var backend in await services.GetRequiredService<EmployeeBackends>().CheckAllAsync(cancellationToken))
        {
            foreach (var model in backend.Models)
            {
                await dataSource.CommitAsync(
                    ModelChanges.Ensure(model, backend.Kind, backend.Endpoint?.ToString(), backend.Name), cancellationToken);
            }
        }
    }

    /// <summary>A pipeline that breaks or is cancelled must not leave its PRD waiting for ever.</summary>
    private static IEnumerable<NpgsqlBatchCommand> OnFinished(FinishedWorkflow finished)
    {
        if (finished.DefinitionId != PrdPipeline || finished.CorrelationId is not { } prdId)
            return [];
        return finished.SubStatus switch
        {
            WorkflowSubStatus.Faulted => [PrdChanges.Escalated(prdId, $"The pipeline broke: {finished.Incidents[^1].Message}")],
            WorkflowSubStatus.Cancelled => [PrdChanges.Cancelled(prdId, "The pipeline was cancelled.")],
            _ => [],
        };
    }
}

/// <summary>The API's view of the engine.</summary>
internal sealed class WorkflowGateway(WorkflowClient client) : IWorkflowGateway
{
    public async Task<(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements)> PrepareStartAsync(
        string definitionId, IReadOnlyDictionary<string, object?> input, string correlationId, CancellationToken cancellationToken)
    {
        var start = await client.PrepareStartAsync(definitionId, input, correlationId, cancellationToken);
        return (start.InstanceId, start.Statements);
    }

    public NpgsqlBatchCommand PrepareStimulus(string name, object payload, IReadOnlyDictionary<string, object?> input) =>
        client.PrepareStimulus(name, payload, input);
}

/// <summary>Healthy while every loop of this process has come round lately.</summary>
internal sealed class LoopsCheck(IEnumerable<IHostedService> services) : Microsoft.Extensions.Diagnostics.HealthChecks.IHealthCheck
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    public Task<Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckResult> CheckHealthAsync(
        Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var silent = services.OfType<LoopRunner>().Where(l => !l.IsAlive(Longest)).Select(l => l.Name).ToList();
        return Task.FromResult(silent.Count == 0
            ? Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckResult.Healthy()
            : Microsoft.Extensions.Diagnostics.HealthChecks.HealthCheckResult.Unhealthy($"No sign of life from: {string.Join(", ", silent)}."));
    }
}

internal static partial class HostLog
{
    [LoggerMessage(2001, LogLevel.Warning, "{File} has changed, but so has the definition {Definition} in the database: the database's version is kept. Revert or rename one of them.")]
    public static partial void KeptEdited(ILogger logger, string file, string definition);
}
