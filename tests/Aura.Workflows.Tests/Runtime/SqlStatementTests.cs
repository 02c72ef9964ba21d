using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using Aura.Testing;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>Every SQL text in the engine's assembly, wherever it stands, is prepared against a migrated database.</summary>
public sealed class SqlStatementTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    /// <summary>
    /// Texts that are put together at run time, by their beginning: what they need around them to stand alone, with § for the text itself.
    /// </summary>
    private static readonly Dictionary<string, string> Fragments = new()
    {
        ["WITH freed AS (UPDATE wf.instances SET owner = NULL, fence = fence + 1 WHERE owner = $1 AND status = 'Running'"] =
            "§ AND id <> ALL($2) RETURNING id) " + HostLiveness.TellFreedSql,
        ["INSERT INTO wf.messages (instance_id, kind) SELECT id, 'Start' FROM freed"] = "WITH freed AS (SELECT ''::text AS id) §",
        ["SELECT pg_advisory_lock("] = "§1)",
        ["SELECT pg_advisory_unlock("] = "§1)",
        ["DELETE FROM wf."] = "§history WHERE instance_id IN (SELECT id FROM wf.instances WHERE definition_id = $1)",
        ["SELECT count(*) AS n FROM (SELECT 1 FROM wf.instances i"] = "§ LIMIT 10) f",
        ["SELECT id FROM wf.instances WHERE id >= "] = "§$1",
        ["WITH keyed AS MATERIALIZED (SELECT * FROM wf.claim_keyed_tasks("] = "§t.queue = $2) SELECT * FROM keyed",
        ["DELETE FROM wf.instances WHERE "] = "§definition_id = $1",
        ["SELECT count(*) FROM wf.definitions WHERE "] = "§is_latest",
        ["SELECT version_id, definition_id, name, description, version, tool_version"] = "§true ORDER BY name DESC, version_id DESC LIMIT $1 OFFSET $2",
    };

    /// <summary>Parameters whose type the server cannot tell from the text alone.</summary>
    private static readonly Dictionary<string, string> Types = new()
    {
        ["WITH old AS MATERIALIZED (SELECT id FROM wf.instances WHERE id IN (SELECT id FROM wf.instances WHERE created_at < now() - $2"] = "int, interval",
    };

    [Fact]
    public async Task Statements_Every_CanBePrepared()
    {
        await using var connection = await database.DataSource.OpenConnectionAsync();
        var failed = new List<string>();
        var statements = Literals().Where(IsStatement).Append(TaskLoop.ClaimSql).Append(TaskLoop.ClaimOneSql).Append(TaskLoop.ClaimMatchingSql).ToList();
        foreach (var text in statements)
        {
            var isWhole = text == TaskLoop.ClaimSql || text == TaskLoop.ClaimOneSql || text == TaskLoop.ClaimMatchingSql;
            var sql = !isWhole && Fragments.FirstOrDefault(f => IsFragment(text, f.Key)) is { Value: { } frame } ? frame.Replace("§", text, StringComparison.Ordinal) : text;
            var types = Types.FirstOrDefault(t => text.StartsWith(t.Key, StringComparison.Ordinal)).Value;
            try
            {
                await using var command = new NpgsqlCommand($"PREPARE tried {(types is null ? "" : $"({types})")} AS {sql}; DEALLOCATE tried", connection);
                await command.ExecuteNonQueryAsync();
            }
            catch (PostgresException e)
            {
                failed.Add($"{e.MessageText}\n    {sql}");
            }
        }

        failed.ShouldBeEmpty();
        statements.ShouldContain(CommitSql.UpdateInstances);
        statements.Count.ShouldBeGreaterThan(30);
    }

    private static bool IsFragment(string text, string key) =>
        text == key || (text.Length > key.Length + 50 && text.StartsWith(key, StringComparison.Ordinal) && text.EndsWith(' '));

    private static bool IsStatement(string text) =>
        Regex.IsMatch(text, @"^\s*(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s", RegexOptions.NonBacktracking)
        && (text.Contains("wf.", StringComparison.Ordinal) || text.Contains("pg_", StringComparison.Ordinal));

    /// <summary>The string literals of the assembly; constants that are put together of constants are one.</summary>
    private static List<string> Literals()
    {
        using var file = new PEReader(File.OpenRead(typeof(SqlMigrator).Assembly.Location));
        var metadata = file.GetMetadataReader();
        var literals = new List<string>();
        for (var handle = MetadataTokens.UserStringHandle(1); !handle.IsNil; handle = metadata.GetNextHandle(handle))
            literals.Add(metadata.GetUserString(handle));
        return literals;
    }
}
