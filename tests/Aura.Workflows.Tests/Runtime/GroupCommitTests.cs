using Aura.Testing;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Npgsql;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class GroupCommitTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const int Size = 40;
    private readonly string _label = Guid.NewGuid().ToString("N");

    public async ValueTask InitializeAsync()
    {
        await ExecuteAsync("CREATE TABLE IF NOT EXISTS effects (label text NOT NULL CHECK (label <> 'forbidden'))");
        await ExecuteAsync($"""
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, owner, fence, state)
            SELECT '{_label}' || n, 'd', 'd', 1, 'Running', 'Pending', 'me', 3, '{"{}"}' FROM generate_series(0, {Size - 1}) n
            """);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Group_UnitsThatTheDatabaseRefuses_HarmNoOther()
    {
        var outcomes = await CommitAsync(i => Unit(i, i is 7 or 8 or 30 ? Effect("forbidden") : Effect(_label)));

        for (var i = 0; i < Size; i++)
        {
            if (i is 7 or 8 or 30)
                outcomes[i].ShouldBeOfType<CommitOutcome.Refused>().Reason.Message.ShouldContain("check constraint");
            else
                outcomes[i].ShouldBeOfType<CommitOutcome.Committed>();
        }

        (await EffectsAsync()).ShouldBe(Size - 3);
        (await SuspendedAsync()).ShouldBe(Size - 3);
    }

    [Fact]
    public async Task Group_UnitWithAValueThatCannotBeSent_IsRefusedAndHarmsNoOther()
    {
        var outcomes = await CommitAsync(i => Unit(i, i == 5
            ? new NpgsqlBatchCommand("SELECT $1") { Parameters = { new() { Value = new Version(1, 2) } } }
            : Effect(_label)));

        outcomes[5].ShouldBeOfType<CommitOutcome.Refused>();
        outcomes.Where(o => o is not CommitOutcome.Committed).ShouldHaveSingleItem(string.Join('\n', outcomes.Distinct()));
        (await EffectsAsync()).ShouldBe(Size - 1);
    }

    [Fact]
    public async Task Group_LeaseLost_DropsOnlyThatUnitAndAllOfIt()
    {
        await ExecuteAsync($"UPDATE wf.instances SET fence = 4 WHERE id = '{_label}3'; UPDATE wf.instances SET owner = 'other' WHERE id = '{_label}4'");

        var outcomes = await CommitAsync(i => Unit(i, Effect(_label)));

        outcomes[3].ShouldBeOfType<CommitOutcome.LeaseLost>();
        outcomes[4].ShouldBeOfType<CommitOutcome.LeaseLost>();
        outcomes.OfType<CommitOutcome.Committed>().Count().ShouldBe(Size - 2);
        (await EffectsAsync()).ShouldBe(Size - 2);
        (await ScalarAsync($"SELECT count(*) FROM wf.messages WHERE instance_id LIKE '{_label}%'")).ShouldBe(Size - 2);
    }

    [Fact]
    public async Task Group_AnswerOfATaskThatIsGone_IsLostAlone()
    {
        var outcomes = await CommitAsync(i => i == 2
            ? new CommitUnit { Task = new(-1, 1, "Test.Work"), Messages = [new(_label + "2", MessageKind.Task, "x", null)], Effects = [Effect(_label)] }
            : Unit(i, Effect(_label)));

        outcomes[2].ShouldBeOfType<CommitOutcome.LeaseLost>();
        (await EffectsAsync()).ShouldBe(Size - 1);
    }

    [Fact]
    public async Task Group_TwoAnswersUnderOneLease_TheFirstCounts()
    {
        await ExecuteAsync($"""
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, fence)
            VALUES ('{_label}0', '{_label}', 'n', 'Test.Work', 'q', '{"{}"}', 1, 60, 5)
            """);
        var task = new TaskAnswer(await ScalarAsync($"SELECT id FROM wf.tasks WHERE activity_instance_id = '{_label}'"), 5, "Test.Work");

        var outcomes = await CommitAsync(i => i is 4 or 9 ? new CommitUnit { Task = task, Effects = [Effect(_label)] } : Unit(i, Effect(_label)));

        outcomes[4].ShouldBeOfType<CommitOutcome.Committed>();
        outcomes[9].ShouldBeOfType<CommitOutcome.LeaseLost>();
        (await EffectsAsync()).ShouldBe(Size - 1);
    }

    [Fact]
    public async Task Burst_ValueThatCannotBeSent_SetsTheInstanceAside()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString, queue: null);
        var id = await engine.StartWorkflowAsync(await engine.DefineAsync(Act("Test.Unsendable", "u")));

        (await engine.FaultedAsync(id)).Incidents.ShouldHaveSingleItem().Message.ShouldContain("Version");
    }

    [Fact]
    public async Task Connections_CutInTheMiddleOfGroups_LoseAndDoubleNothing()
    {
        string definition;
        await using (var engine = await EngineHost.StartAsync(database.ConnectionString, queue: null))
        {
            var effect = $$"""{"type":"Test.Effect","statement":"INSERT INTO effects (label) VALUES ('{{_label}}')"}""";
            definition = await engine.DefineAsync(Sequence(effect, Line("a"), effect), Options("commitStrategyName", "ActivityExecuted"));
            var starts = new List<Task<bool>>();
            await using var knife = NpgsqlDataSource.Create(database.ConnectionString + ";Pooling=false");
            for (var cut = 0; cut < 12; cut++)
            {
                // What begins only after a cut has a chance to be written before the next.
                starts.AddRange(Enumerable.Range(0, 25).Select(_ => StartAsync(engine, definition)));
                await using var command = knife.CreateCommand(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
                await command.ExecuteNonQueryAsync();
                await Task.Delay(30);
            }

            await Task.WhenAll(starts);
            // After the last cut nothing hinders: something is there to be checked whatever the cuts did.
            await WaitForAsync(() => StartAsync(engine, definition));
            await WaitForAsync(async () => await CalmAsync(() => ScalarAsync($"SELECT count(*) FROM wf.instances WHERE definition_id = '{definition}' AND status = 'Running'")) == 0);
        }

        var instances = await ScalarAsync($"SELECT count(*) FROM wf.instances WHERE definition_id = '{definition}' AND sub_status = 'Finished'");
        instances.ShouldBe(await ScalarAsync($"SELECT count(*) FROM wf.instances WHERE definition_id = '{definition}'"));
        instances.ShouldBeGreaterThan(0);
        (await EffectsAsync()).ShouldBe(2 * instances);
    }

    private static async Task<bool> StartAsync(EngineHost engine, string definition)
    {
        try
        {
            return await engine.Client.StartAsync(definition) is not null;
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or IOException)
        {
            // Nobody knows whether it was started: what is in the database decides.
            return false;
        }
    }

    private static async Task<long> CalmAsync(Func<Task<long>> ask)
    {
        try
        {
            return await ask();
        }
        catch (NpgsqlException)
        {
            return -1;
        }
    }

    private static NpgsqlBatchCommand Effect(string label) =>
        new("INSERT INTO effects (label) VALUES ($1)") { Parameters = { new() { Value = label } } };

    private CommitUnit Unit(int i, NpgsqlBatchCommand effect) => new()
    {
        Instance = new(_label + i, "me", 3, WorkflowStatus.Running, WorkflowSubStatus.Suspended, null, null, 0, "{}"u8.ToArray(), false),
        Messages = [new(_label + i, MessageKind.Start, null, null, TimeSpan.FromDays(1))],
        Effects = [effect],
    };

    /// <summary>
    /// All units stand in the queue before the only writer looks: they are one group. Its connection is new: nothing is prepared yet.
    /// </summary>
    private async Task<CommitOutcome[]> CommitAsync(Func<int, CommitUnit> unit)
    {
        var options = Microsoft.Extensions.Options.Options.Create(new WorkflowsOptions { CommitWriters = 1 });
        await using var source = NpgsqlDataSource.Create(database.ConnectionString);
        using var committer = new GroupCommitter(source, new FaultPoints(options), new Pulse(), options);
        var outcomes = Enumerable.Range(0, Size).Select(i => committer.CommitAsync(unit(i), CancellationToken.None)).ToList();
        await committer.StartAsync(CancellationToken.None);
        var answers = await Task.WhenAll(outcomes);
        await committer.StopAsync(CancellationToken.None);
        return answers;
    }

    private Task<long> EffectsAsync() => ScalarAsync($"SELECT count(*) FROM effects WHERE label = '{_label}'");

    private Task<long> SuspendedAsync() => ScalarAsync($"SELECT count(*) FROM wf.instances WHERE id LIKE '{_label}%' AND sub_status = 'Suspended' AND owner IS NULL");

    private Task ExecuteAsync(string sql) => database.ExecuteAsync(sql);

    private async Task<long> ScalarAsync(string sql)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}

/// <summary>On databases of their own: the tables must be empty when the statements are prepared.</summary>
public sealed class PlannerGuardTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    // The server takes a table that no vacuum has seen for one of ten pages; one that a vacuum has found empty it believes to be empty, until
    // it plans anew.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Plans_MadeOnEmptyTables_StillUseTheKeysWhenTheyAreFull(bool isBelieved)
    {
        (string Name, string Sql, string Values, string Index)[] statements =
        [
            ("u", CommitSql.UpdateInstances, "'{a}', '{1}', '{Running}', '{Suspended}', '{n}', '{c}', '{0}', '{null}', '{f}', '{o}'", "instances_pkey"),
            ("m", CommitSql.DeleteMessages, "'{1,2}'", "messages_pkey"),
            ("d", CommitSql.DeleteBookmarks, "'{a,b}'", "bookmarks_pkey"),
            ("t", CommitSql.AnswerTasks, "'{1}', '{1}'", "tasks_pkey"),
            ("b", CommitSql.InsertBookmarks, "'{a}', '{a}', '{a}', '{a}', '{null}', '{a}', '{a}', '{a}', '{a}', '{2026-01-01}'", "stimuli_by_hash"),
            ("s", CommitSql.SendStimuli, "'{a}', '{a}', '{null}', '1 hour'", "bookmarks_by_hash"),
            ("r", CommitSql.ReleaseActivations, "'{a,b}'", "activations_by_instance"),
            ("x", CommitSql.DropMessages, "'{a,b}'", "messages_by_instance"),
            ("c", BurstLoop.ClaimSql, "'h', 8, '2026-01-01'", "messages_due"),
            ("f", BurstLoop.FloorSql, "", "messages_due"),
        ];
        await using (var writer = new GroupWriter(database.DataSource, new FaultPoints(Microsoft.Extensions.Options.Options.Create(new WorkflowsOptions())), new()))
            (await writer.CommitAsync([new() { Stimuli = [new("nobody", null, null)] }])).ShouldHaveSingleItem().ShouldBeOfType<CommitOutcome.Committed>();

        await using var keyed = new KeyedConnection(database.DataSource, TimeSpan.FromMinutes(1), planAge: isBelieved ? TimeSpan.Zero : null);
        var connection = await keyed.OpenAsync();
        await ExecuteAsync(connection, "TRUNCATE wf.instances, wf.messages, wf.stimuli, wf.activations, wf.tasks, wf.bookmarks");
        if (isBelieved)
            await ExecuteAsync(connection, "VACUUM (ANALYZE) wf.instances, wf.messages, wf.bookmarks, wf.tasks, wf.stimuli, wf.triggers, wf.activations, wf.hosts");
        foreach (var (name, sql, values, _) in statements)
        {
            await ExecuteAsync(connection, $"PREPARE {name} AS {sql}");
            // The plan is made now, and kept.
            await ExecuteAsync(connection, Explain(name, values));
        }

        await ExecuteAsync(connection, """
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state)
            SELECT 'i' || n, 'd', 'd', 1, 'Running', 'Suspended', '{}' FROM generate_series(1, 50000) n;
            INSERT INTO wf.messages (instance_id, kind, due_at) SELECT 'i' || n, 'Start', now() + interval '1 day' FROM generate_series(1, 50000) n;
            INSERT INTO wf.stimuli (hash, expires_at) SELECT 'h' || n, now() + interval '1 day' FROM generate_series(1, 50000) n;
            INSERT INTO wf.activations (key, instance_id) SELECT 'k' || n, 'i' || n FROM generate_series(1, 50000) n;
            INSERT INTO wf.tasks (instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds)
            SELECT 'i' || n, 'a' || n, 'n', 't', 'q', '{}', 1, 1 FROM generate_series(1, 50000) n;
            INSERT INTO wf.bookmarks (id, instance_id, name, hash, activity_id, activity_node_id, activity_instance_id, created_at)
            SELECT 'b' || n, 'i' || n, 'n', 'h' || n, 'a', 'a', 'a' || n, now() FROM generate_series(1, 50000) n
            """);

        await keyed.OpenAsync();
        foreach (var (name, _, values, index) in statements)
        {
            var plan = await ExplainAsync(connection, Explain(name, values));
            string.Join('\n', plan).ShouldContain(index);
            string.Join('\n', plan).ShouldNotContain("Seq Scan");
            string.Join('\n', plan).ShouldNotContain("Hash Join");
            // An index that is read from end to end is no better than the table.
            foreach (var (scan, condition) in plan.Zip(plan.Skip(1)).Where(l => l.First.Contains("Scan using", StringComparison.Ordinal)))
                condition.ShouldContain("Index Cond", customMessage: $"{name}: {scan}");
        }

        foreach (var (name, _, _, _) in statements)
            await ExecuteAsync(connection, $"DEALLOCATE {name}");
    }

    private static string Explain(string name, string values) => $"EXPLAIN EXECUTE {name}{(values.Length > 0 ? $"({values})" : "")}";

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<List<string>> ExplainAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await reader.ReadAsync())
            lines.Add(reader.GetString(0));
        return lines;
    }
}
