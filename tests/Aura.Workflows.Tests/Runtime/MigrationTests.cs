using System.Security.Cryptography;
using System.Text;
using Aura.Workflows.Storage;

namespace Aura.Workflows.Tests.Runtime;

public sealed class MigrationTests
{
    /// <summary>SHA-256 of each migration that has landed. A landed migration never changes; a new one gets its line here.</summary>
    private static readonly Dictionary<string, string> Landed = new()
    {
        ["0001_create_engine.sql"] = "9d1e6a8c4946abea4c740b86602ddcda01e9f46a3a4f8136539477db900899a0",
        // 0002 and later get their lines when they have landed.
    };

    [Fact]
    public void Migrations_Landed_AreUnchanged()
    {
        var found = Resources().ToDictionary(r => r.Name, r => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(r.Text))));

        foreach (var (name, hash) in Landed)
            found.GetValueOrDefault(name).ShouldBe(hash, $"{name} has landed: restore it and add a new migration");
    }

    [Fact]
    public void Migrations_Names_AreNumberedOnce()
    {
        var names = Resources().Select(r => r.Name).ToList();

        names.ShouldAllBe(n => System.Text.RegularExpressions.Regex.IsMatch(
            n, "^[0-9]{4}_[a-z]+(?:_[a-z]+)+[.]sql$", System.Text.RegularExpressions.RegexOptions.NonBacktracking));
        names.Select(n => n[..4]).ShouldBeUnique();
    }

    private static IEnumerable<(string Name, string Text)> Resources()
    {
        var assembly = typeof(SqlMigrator).Assembly;
        foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.Contains(".Migrations.", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            yield return (resource[(resource.IndexOf(".Migrations.", StringComparison.Ordinal) + ".Migrations.".Length)..], reader.ReadToEnd().ReplaceLineEndings("\n"));
        }
    }
}
