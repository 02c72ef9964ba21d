using Aura.Orchestra.Employees.Cli;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Validation;

namespace Aura.Orchestra.Employees;

/// <summary><c>Aura:Employees</c>. Keys come from the environment or secret files only and stand in no log.</summary>
public sealed class EmployeeOptions
{
    /// <summary>The backend of PRDs that name none.</summary>
    public string DefaultBackend { get; set; } = ScriptedEmployee.BackendName;

    /// <summary>Where projects lie; their <c>prds/*.script.json</c> are looked up below it.</summary>
    public string ProjectsDirectory { get; set; } = "./real_projects";

    public ScriptedOptions Scripted { get; set; } = new();

    public OllamaOptions Ollama { get; set; } = new();

    /// <summary>OPENAI_API_KEY, OPENAI_BASE_URL.</summary>
    public EndpointOptions OpenAi { get; set; } = new() { BaseUrl = "https://api.openai.com/v1" };

    /// <summary>GEMINI_API_KEY.</summary>
    public EndpointOptions Gemini { get; set; } = new() { BaseUrl = "https://generativelanguage.googleapis.com/v1beta/openai/" };

    /// <summary>Agents of backend <c>cli</c>, from <c>employees.json</c>.</summary>
    public IReadOnlyList<CliAgent> Agents { get; set; } = [];

    /// <summary>The jail that command-line agents run in: roomier than the one of the tests.</summary>
    public JailOptions AgentJail { get; set; } = new()
    {
        CpuTime = TimeSpan.FromMinutes(30),
        MemoryBytes = 4L << 30,
        MaxProcesses = 512,
        MaxOpenFiles = 4096,
        MaxFileBytes = 256L << 20,
        WorkspaceBytes = 1L << 30,
        TemporaryBytes = 256L << 20,
        MaxConcurrent = 16,
        FirstUserId = 210_500,
        SlotDirectory = "/run/aura/agents",
    };

    /// <summary>Answers of the model in one attempt.</summary>
    public int MaxTurns { get; set; } = 40;

    /// <summary>Tokens of one attempt, sent and received, as the provider counts them; null sets no limit.</summary>
    public long? MaxTokens { get; set; } = 2_000_000;

    /// <summary>Cost of one attempt in the price table's currency; null sets no limit. Calls of unknown cost do not count.</summary>
    public decimal? MaxCost { get; set; }

    /// <summary>For one attempt, retries included.</summary>
    public TimeSpan TimeLimit { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>For one answer.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The longest silence: before the first piece of an answer (a local model may have to be loaded) and between two.</summary>
    public TimeSpan SilenceTimeout { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>Of one answer, in tokens.</summary>
    public int MaxOutputTokens { get; set; } = 8192;

    /// <summary>Tokens that question and answer together may have at hosted models.</summary>
    public int ContextTokens { get; set; } = 128_000;

    /// <summary>So often the same call with the same answer is met before the model is told; the next one ends the attempt.</summary>
    public int LoopLimit { get; set; } = 3;

    /// <summary>Further tries after 408, 429, 5xx, a lost connection, silence or a broken answer, with the wait the server asks for.</summary>
    public int MaxRetries { get; set; } = 3;

    /// <summary>Longest wait between two tries, whatever the server asks for.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Characters of one tool's answer that are sent to the model; never more than about a quarter of its context.</summary>
    public int MaxToolResultLength { get; set; } = 60_000;

    /// <summary>What models cost; null for the table that comes with Aura.</summary>
    public PriceTable? Prices { get; set; }

    /// <summary>Values that must never leave this process, besides the endpoints' own keys.</summary>
    public IReadOnlyList<string> Secrets { get; set; } = [];

    /// <summary>Whether spans hold prompts and answers. Off: they may hold anything that is in a project.</summary>
    public bool CaptureContent { get; set; }
}

/// <summary>The script player.</summary>
public sealed class ScriptedOptions
{
    /// <summary>Looked into before the project's own <c>prds/</c>; null for none.</summary>
    public string? Directory { get; set; }
}

/// <summary>A local Ollama.</summary>
public sealed class OllamaOptions
{
    /// <summary>OLLAMA_HOST as Ollama itself reads it: host, host:port or a URL; null when unset.</summary>
    public string? Host { get; set; }

    /// <summary>Preferred models; empty: those the server has.</summary>
    public IReadOnlyList<string> Models { get; set; } = [];

    /// <summary>
    /// OLLAMA_CONTEXT_LENGTH: tokens for question and answer together, told with every call. Ollama's own default is too small for
    /// tools and files; more needs more memory.
    /// </summary>
    public int ContextTokens { get; set; } = 16_384;
}

/// <summary>A hosted endpoint that speaks OpenAI's chat completions.</summary>
public sealed class EndpointOptions
{
    public string? ApiKey { get; set; }

    public string BaseUrl { get; set; } = "";

    /// <summary>Models to choose from; empty: the backend's default.</summary>
    public IReadOnlyList<string> Models { get; set; } = [];

    /// <summary>Never shows the key.</summary>
    public override string ToString() => $"{BaseUrl} (key {(string.IsNullOrEmpty(ApiKey) ? "not set" : "set")})";
}
