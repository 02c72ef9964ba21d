namespace Aura.Workflows.Http;

/// <summary>How a host takes requests for workflows, and how its workflows call others.</summary>
public sealed class HttpWorkflowsOptions
{
    /// <summary>Endpoints of workflows live below this path.</summary>
    public string BasePath { get; set; } = "/workflows";

    /// <summary>The largest body in bytes for endpoints that state no limit of their own.</summary>
    public long MaxRequestBytes { get; set; } = 16 << 20;

    /// <summary>How long a client waits for an answer at endpoints that state no time of their own. The workflow goes on without it.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The oldest that the list of known paths may be; whether somebody listens there is asked for every request.</summary>
    public TimeSpan RouteStaleness { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How often a waiting request looks for its answer when no notification comes.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Headers that an endpoint with authorisation keeps from the workflow: they hold the caller's credentials for this host.</summary>
    public IList<string> CredentialHeaders { get; } = ["Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key"];

    /// <summary>How long a workflow's own request may take.</summary>
    public TimeSpan OutgoingTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The largest answer in bytes that a workflow's own request accepts.</summary>
    public int MaxAnswerBytes { get; set; } = 16 << 20;
}
