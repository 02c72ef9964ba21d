using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Validation;

/// <summary>Which files prove the work, and which could bend the proof. Pure.</summary>
public static class ProtectedTests
{
    /// <summary>
    /// Files read by pytest for its settings. Only their pytest part is protected: the run takes it from the base, so a job
    /// may still edit, say, the dependencies in <c>pyproject.toml</c>. In pytest's order of precedence.
    /// </summary>
    public static IReadOnlyList<string> ConfigurationFiles { get; } = ["pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"];

    private static readonly string[] HijackingNames = ["conftest.py", "sitecustomize.py", "usercustomize.py", "pytest.ini", ".pytest.ini"];

    /// <summary>True for a file that counts as a test or as part of one, when it is in the base.</summary>
    public static bool IsTestFile(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var parts = path.Split('/');
        var name = parts[^1];
        return parts[..^1].Any(p => p is "tests" or "test")
            || IsTestModule(name) || name is "conftest.py" or "pytest.ini" or ".pytest.ini";
    }

    /// <summary>True for a Python file that pytest collects tests from by its default patterns.</summary>
    public static bool IsTestModule(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var name = path[(path.LastIndexOf('/') + 1)..];
        return name.EndsWith(".py", StringComparison.Ordinal)
            && (name.StartsWith("test_", StringComparison.Ordinal) || name.EndsWith("_test.py", StringComparison.Ordinal));
    }

    /// <summary>
    /// True for a file that can change how <em>other</em> tests run. A new one is left out of the validation tree unless the
    /// PRD releases it; fixtures of new tests belong into the test file itself.
    /// </summary>
    public static bool CanHijack(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var parts = path.Split('/');
        return HijackingNames.Contains(parts[^1], StringComparer.Ordinal)
            || parts[^1].EndsWith(".pth", StringComparison.Ordinal)
            || parts.Any(p => p.EndsWith(".dist-info", StringComparison.Ordinal) || p.EndsWith(".egg-info", StringComparison.Ordinal))
            || parts[0] is "pytest" or "_pytest" or "pytest.py" or "coverage" or "coverage.py" or "pluggy" or "pluggy.py";
    }

    /// <summary>True when the PRD's <c>allow_test_changes</c> (globs) releases the path.</summary>
    public static bool IsReleased(string path, IReadOnlyList<string> allowTestChanges)
    {
        ArgumentNullException.ThrowIfNull(allowTestChanges);
        return allowTestChanges.Any(p => new Glob(p).Matches(path));
    }

    /// <summary>True when a configuration file holds settings of pytest.</summary>
    public static bool ConfiguresPytest(string path, string content)
    {
        ArgumentNullException.ThrowIfNull(content);
        return path switch
        {
            "pytest.ini" or ".pytest.ini" => true,
            "pyproject.toml" => content.Contains("[tool.pytest.ini_options]", StringComparison.Ordinal),
            "tox.ini" => content.Contains("[pytest]", StringComparison.Ordinal),
            "setup.cfg" => content.Contains("[tool:pytest]", StringComparison.Ordinal),
            _ => false,
        };
    }
}
