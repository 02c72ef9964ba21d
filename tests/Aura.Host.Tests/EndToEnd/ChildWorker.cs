using System.Diagnostics;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>
/// A real worker in a process of its own: it has the manager's and the MCP service's addresses and the workers' key, and nothing that leads to
/// the database or to a sandbox.
/// </summary>
internal sealed class ChildWorker : ChildProcess
{
    private ChildWorker(ProcessStartInfo info)
        : base(info)
    {
    }

    public static ChildWorker Start(Workplace place, ChildHost host, string backend, string name, params (string Name, string Value)[] settings) =>
        Start(place, host, ["--backend", backend, "--name", name], name, settings);

    /// <summary>One that ends after one job.</summary>
    public static ChildWorker StartOnce(Workplace place, ChildHost host, string backend, string name, params (string Name, string Value)[] settings) =>
        Start(place, host, ["--backend", backend, "--name", name, "--once"], name, settings);

    private static ChildWorker Start(Workplace place, ChildHost host, string[] options, string name, (string Name, string Value)[] settings)
    {
        var info = new ProcessStartInfo(
            "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "Aura.Host.dll"), "worker", .. options,
                "--manager", host.Http.BaseAddress!.AbsoluteUri, "--mcp", host.Mcp!])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // A folder of its own: what the host has there is out of its sight.
        var folder = Directory.CreateDirectory(Path.Combine(place.Root, "workers", name)).FullName;
        info.WorkingDirectory = folder;
        info.Environment["AURA_ROOT"] = folder;
        info.Environment.Remove("AURA_DATABASE");
        info.Environment["AURA_WORKER_KEY"] = Workplace.WorkerKey;
        foreach (var (variable, value) in settings)
            info.Environment[variable] = value;
        return new(info);
    }
}
