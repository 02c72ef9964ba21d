using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Aura.Orchestra.Processes;
using Aura.Workflows.Storage;

namespace Aura.Host.Tests.Architecture;

/// <summary>The migrations of the engine and of the organisation, by the schema that they build.</summary>
public sealed partial class MigrationTests
{
    /// <summary>SHA-256 of each migration. One that has landed never changes; a new one gets its line here.</summary>
    private static readonly Dictionary<string, string> Landed = new()
    {
        ["wf/0001_create_engine.sql"] = "9d1e6a8c4946abea4c740b86602ddcda01e9f46a3a4f8136539477db900899a0",
        ["wf/0002_create_triggers.sql"] = "b6ad5c1c4479bc977ad9376d76a2ff3cb95466bbcbd1bfeef7994e992e9d9ad4",
        ["wf/0003_group_writes.sql"] = "a6bb854a21b39e3641339d6d82cca3773fac874f02802fdd3685a22453aae66c",
        ["wf/0004_describe_definitions.sql"] = "2e4c5f52c7e1877d2be62598fa0e1ee0ea33da9bc135be6b29e288333009c6b5",
        ["wf/0005_index_http_paths.sql"] = "ed82d9e8b0fdf73cf3525a55580deaf85ca0b3f75d55751517a6f7f84f5b8b14",
        ["wf/0008_revive_instances.sql"] = "297b401d91395bfb2a6f78a46b279d94fc1ac027fe3f6e3a295dff61c7499607",
        ["wf/0009_track_definition_edits.sql"] = "957fccd1f319e3192257a002eab80196148ec2921f2436b5d784769ee75d3454",
        ["wf/0010_watch_instances.sql"] = "a960738d891680acb0c3bc07495fd1bf14f2f83293173ad7cd9caa6009b3a268",
        ["wf/0011_index_searches.sql"] = "1448d5eb90919f8aa64fcd3814b555ec297d82cd98ebe472ae3252b901c916eb",
        ["wf/0012_lease_tasks_outside.sql"] = "4b8898087a152e3a0903836aba91d6676ed2220f21550c2553949b8fba3a0b8d",
        ["wf/0013_shorten_hash_index.sql"] = "7265eac561a5064e04bc427c9fa2d64937c4aa3492a99008441b7dda12ced855",
        ["wf/0013_shorten_hash_index.sql"] = "7265eac561a5064e04bc427c9fa2d64937c4aa3492a99008441b7dda12ced855",
        ["aura/0001_create_organisation.sql"] = "792f0556dda6ec3afef1142bc5c545421a609cbdcdf8c2bffaee302cf880c007",
        ["aura/0002_create_users.sql"] = "3df9888426975989568a63e230dd0db0effc10e7bb9495dbf98a6e02296fdc72",
        ["aura/0003_open_mcp_sessions.sql"] = "c69251380771623382122a146ffb8d2186c69c80ab22a645e3456dad0f14d2e2",
        ["aura/0004_create_model_calls.sql"] = "33c52594591a102e603125ba6f71e9dbf1e38037992bc66b7fb46449acdd80bb",
        ["aura/0005_watch_models.sql"] = "64abb5b15edfb88f6ba6cf1db4797bdfe0beaf81b46a404a0d5e7c0435a3d90a",
    };

    [Fact]
    public void Migrations_Landed_AreUnchanged()
    {
        var found = Resources().ToDictionary(r => r.Name, r => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(r.Text))));

        foreach (var (name, hash) in Landed)
            found.GetValueOrDefault(name).ShouldBe(hash, $"{name} has landed: restore it and add a new migration");
        foreach (var (name, hash) in found)
            Landed.ShouldContainKey(name, $"{name} is new: add its line, {hash}");
    }

    [Fact]
    public void Migrations_Names_AreNumberedOnce()
    {
        var names = Resources().Select(r => r.Name).ToList();

        names.ShouldAllBe(n => NamePattern().IsMatch(n));
        names.Select(n => n[..n.IndexOf('_', StringComparison.Ordinal)]).ShouldBeUnique();
    }

    private static IEnumerable<(string Name, string Text)> Resources()
    {
        foreach (var (schema, assembly) in new[] { ("wf", typeof(SqlMigrator).Assembly), ("aura", typeof(Git).Assembly) })
        {
            foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.Contains(".Migrations.", StringComparison.Ordinal)))
            {
                using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
                var name = resource[(resource.IndexOf(".Migrations.", StringComparison.Ordinal) + ".Migrations.".Length)..];
                yield return ($"{schema}/{name}", reader.ReadToEnd().ReplaceLineEndings("\n"));
            }
        }
    }

    [GeneratedRegex("^(wf|aura)/[0-9]{4}_[a-z]+(_[a-z]+)+[.]sql$", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex NamePattern();
}
