namespace Aura.Testing;

/// <summary>The environment of a whole host in folders of its own.</summary>
public static class HostSettings
{
    public const string DirectorKey = "a-director-key-for-tests";
    public const string WorkerKey = "a-workers-key-for-tests";

    /// <param name="root">Takes what the host writes.</param>
    public static Dictionary<string, string?> In(string root, string connectionString) => new()
    {
        ["AURA_DATABASE"] = connectionString,
        ["AURA_ROOT"] = root,
        ["AURA_STATE"] = Path.Combine(root, "state"),
        ["AURA_WORKFLOWS"] = Repository.Path("workflows"),
        ["AURA_PROJECTS"] = Repository.Path("real_projects"),
        ["DIRECTOR_API_KEY"] = DirectorKey,
        ["AURA_WORKER_KEY"] = WorkerKey,
    };
}
