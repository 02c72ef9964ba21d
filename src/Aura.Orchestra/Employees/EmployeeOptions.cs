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

    /// <summary>Answers of the model in one attempt.</summary>
    public int MaxTurns { get; set; } = 40;

    /// <summary>For one attempt, retries included.</summary>
    public TimeSpan TimeLimit { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>For one answer.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Of one answer, in tokens.</summary>
    public int MaxOutputTokens { get; set; } = 8192;

    /// <summary>Further tries after 408, 429 and 5xx or a lost connection, with the wait the server asks for.</summary>
    public int MaxRetries { get; set; } = 3;

    /// <summary>Longest wait between two tries, whatever the server asks for.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Characters of one tool's answer that are sent to the model.</summary>
    public int MaxToolResultLength { get; set; } = 60_000;
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
