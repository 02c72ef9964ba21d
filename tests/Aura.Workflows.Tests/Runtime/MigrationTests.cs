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
        ["0002_create_triggers.sql"] = "b6ad5c1c4479bc977ad9376d76a2ff3cb95466bbcbd1bfeef7994e992e9d9ad4",
        ["0003_group_writes.sql"] = "a6bb854a21b39e3641339d6d82cca3773fac874f02802fdd3685a22453aae66c",
        ["0004_describe_definitions.sql"] = "2e4c5f52c7e1877d2be62598fa0e1ee0ea33da9bc135be6b29e288333009c6b5",
        ["0005_index_http_paths.sql"] = "ed82d9e8b0fdf73cf3525a55580deaf85ca0b3f75d55751517a6f7f84f5b8b14",
        ["0008_revive_instances.sql"] = "297b401d91395bfb2a6f78a46b279d94fc1ac027fe3f6e3a295dff61c7499607",
        ["0009_track_definition_edits.sql"] = "957fccd1f319e3192257a002eab80196148ec2921f2436b5d784769ee75d3454",
        ["0010_watch_instances.sql"] = "a960738d891680acb0c3bc07495fd1bf14f2f83293173ad7cd9caa6009b3a268",
        ["0011_index_searches.sql"] = "1448d5eb90919f8aa64fcd3814b555ec297d82cd98ebe472ae3252b901c916eb",
        ["0012_lease_tasks_outside.sql"] = "4b8898087a152e3a0903836aba91d6676ed2220f21550c2553949b8fba3a0b8d",
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
