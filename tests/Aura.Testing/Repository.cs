namespace Aura.Testing;

/// <summary>Where this repository lies, found from the tests' own folder up.</summary>
public static class Repository
{
    public static string Root { get; } = Find();

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    private static string Find()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(directory.FullName, "Aura.Workflows.sln")))
                return directory.FullName;
        }

        throw new InvalidOperationException($"Aura.Workflows.sln is in no folder above {AppContext.BaseDirectory}: run the tests from a checkout.");
    }
}
