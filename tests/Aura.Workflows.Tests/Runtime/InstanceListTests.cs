using Aura.Testing;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>Lists of many instances: what they answer, and by which way. Plans are asserted, not times.</summary>
public sealed class InstanceListTests(ManyInstances many) : IClassFixture<ManyInstances>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private InstanceStore Store => new(many.Db);

    [Fact]
    public async Task List_Unfiltered_NewestFirstWithAnEstimate()
    {
        var page = await Store.ListAsync(new(), cancellationToken: Cancel);
        page.Items[0].Id.ShouldBe(ManyInstances.IdOf(ManyInstances.Count));
        page.TotalCount.ShouldBeInRange(150_000, 250_000);
        (await Store.ListAsync(new(), descending: false, take: 1, cancellationToken: Cancel)).Items[0].Id.ShouldBe(ManyInstances.IdOf(1));
    }

    [Theory]
    [InlineData(InstanceOrder.Created)]
    [InlineData(InstanceOrder.Updated)]
    [InlineData(InstanceOrder.Finished)]
    [InlineData(InstanceOrder.Name)]
    public async Task List_Running_FindsTheFewInEveryOrder(InstanceOrder order)
    {
        var page = await Store.ListAsync(new() { Statuses = [WorkflowStatus.Running] }, order: order, cancellationToken: Cancel);
        page.Items.Select(i => i.Id).ShouldBe(ManyInstances.Running, ignoreOrder: true);
        page.TotalCount.ShouldBe(ManyInstances.Running.Count);
        (await Store.ListAsync(new() { Statuses = [WorkflowStatus.Running] }, skip: 100, order: order, cancellationToken: Cancel)).TotalCount
            .ShouldBe(ManyInstances.Running.Count);
        (await Store.ListIdsAsync(new() { SubStatuses = [WorkflowSubStatus.Suspended] }, 100, Cancel)).ShouldBe(ManyInstances.Running, ignoreOrder: true);
    }

    [Fact]
    public async Task List_ByLastChange_ShowsAnOldOneThatStillWaits()
    {
        var page = await Store.ListAsync(new(), order: InstanceOrder.Updated, take: 5, cancellationToken: Cancel);
        page.Items[0].Id.ShouldBe(ManyInstances.Running[0], "the oldest instance of all was changed last");
        (await Store.ListAsync(new(), order: InstanceOrder.Finished, take: 1, cancellationToken: Cancel)).Items[0].Id.ShouldBe(ManyInstances.IdOf(ManyInstances.Count));
    }

    [Theory]
    [InlineData("needle", 1)]
    [InlineData("EEDL", 1)]
    [InlineData("corr-199999", 1)]
    [InlineData("000000000000000000000007", 1)]
    [InlineData("nothing at all", 0)]
    public async Task List_Search_FindsTheFew(string term, int count)
    {
        var page = await Store.ListAsync(new() { SearchTerm = term }, cancellationToken: Cancel);
        (page.Items.Count, page.TotalCount).ShouldBe((count, count));
    }

    [Fact]
    public async Task List_SearchForADefinition_FindsItsInstances()
    {
        await using (var definition = many.Db.CreateCommand("""
            INSERT INTO wf.definitions (version_id, definition_id, version, is_latest, is_published, content_hash, document)
            VALUES ('v3', 'd3', 1, true, false, 'h', '{}')
            """))
            await definition.ExecuteNonQueryAsync(Cancel);
        foreach (var term in (string[])["d3", "v3"])
        {
            var page = await Store.ListAsync(new() { SearchTerm = term }, take: 2, cancellationToken: Cancel);
            (page.Items[0].Id, page.TotalCount).ShouldBe((ManyInstances.IdOf(199_953), 4000), term);
        }
    }

    [Fact]
    public async Task List_SearchThatFindsMany_GoesBackThroughTime()
    {
        var page = await Store.ListAsync(new() { SearchTerm = "corr-" }, take: 3, cancellationToken: Cancel);
        page.Items.Select(i => i.Id).ShouldBe([ManyInstances.IdOf(200_000), ManyInstances.IdOf(199_999), ManyInstances.IdOf(199_998)]);
        page.TotalCount.ShouldBeGreaterThan(InstanceStore.ExactCount);
    }

    [Theory]
    [MemberData(nameof(Filters))]
    public async Task Plan_OfEveryWay_ReadsNoWholeTable(string what, InstanceFilter filter, InstanceOrder order, bool few, string index)
    {
        var query = new InstanceQuery(filter, []);
        foreach (var descending in (bool[])[true, false])
        {
            var sql = few ? query.PageOfFew(order, descending, 0, 10)
                : order == InstanceOrder.Created ? query.Page(descending, 0, 10)
                : query.PageOfWindow(order, descending, 0, 10);
            var plan = await many.ExplainAsync(sql, query.Values);
            plan.ShouldNotContain("Seq Scan on instances", Case.Sensitive, what);
            plan.ShouldContain(index, Case.Sensitive, what);
        }
    }

    [Fact]
    public async Task Plan_OfMarks_IsByKey()
    {
        var plan = await many.ExplainAsync(InstanceStore.RevisionsSql, [new[] { "a", "b" }]);
        plan.ShouldContain("instances_pkey");
        plan.ShouldNotContain("Seq Scan");
    }

    public static TheoryData<string, InstanceFilter, InstanceOrder, bool, string> Filters() => new()
    {
        { "all", new(), InstanceOrder.Created, false, "instances_by_creation" },
        { "all by change", new(), InstanceOrder.Updated, false, "instances_pkey" },
        { "all by end", new(), InstanceOrder.Finished, false, "instances_by_creation" },
        { "all by name", new(), InstanceOrder.Name, false, "instances_by_creation" },
        { "definition", new() { DefinitionIds = ["d3"] }, InstanceOrder.Created, false, "instances_by_definition" },
        { "correlation", new() { CorrelationIds = ["corr-500"] }, InstanceOrder.Created, false, "instances_by_correlation" },
        { "incidents", new() { HasIncidents = true }, InstanceOrder.Created, false, "instances_with_incidents" },
        { "faulted", new() { SubStatuses = [WorkflowSubStatus.Faulted] }, InstanceOrder.Created, false, "instances_faulted" },
        { "running", new() { Statuses = [WorkflowStatus.Running] }, InstanceOrder.Created, true, "instances_pkey" },
        { "running by change", new() { Statuses = [WorkflowStatus.Running] }, InstanceOrder.Updated, true, "instances_pkey" },
        { "search", new() { SearchTerm = "needle" }, InstanceOrder.Created, true, "instances_pkey" },
        { "ids", new() { Ids = ["x", "y"] }, InstanceOrder.Created, false, "instances_pkey" },
        {
            "since", new() { Timestamps = [new(TimestampColumn.CreatedAt, TimestampOperator.GreaterThan, new(2026, 1, 3, 7, 0, 0, TimeSpan.Zero))] },
            InstanceOrder.Created, false, "instances_by_creation"
        },
    };
}

/// <summary>A database with 200,000 instances, nearly all of which have ended: one a second from the beginning of 2026.</summary>
public sealed class ManyInstances : IAsyncLifetime
{
    public const int Count = 200_000;
    private readonly TestDatabase _database = new();

    public static IReadOnlyList<string> Running { get; } = [IdOf(1), IdOf(70_000), IdOf(150_000)];

    public NpgsqlDataSource Db => _database.DataSource;

    public static string IdOf(int number) => number.ToString("D24", System.Globalization.CultureInfo.InvariantCulture);

    public async ValueTask InitializeAsync()
    {
        await _database.InitializeAsync();
        await using var batch = new NpgsqlBatch(await Db.OpenConnectionAsync());
        foreach (var sql in (string[])[
            """
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, correlation_id, name, incident_count, is_faulted,
                                      created_at, updated_at, finished_at, state)
            SELECT lpad(n::text, 24, '0'), 'd' || n % 50, 'v' || n % 50, 1, CASE WHEN runs THEN 'Running' ELSE 'Finished' END,
                   CASE WHEN runs THEN 'Suspended' WHEN n % 9001 = 0 THEN 'Faulted' ELSE 'Finished' END,
                   CASE WHEN n % 2 = 0 OR n = 199999 THEN 'corr-' || n END, CASE WHEN n = 4711 THEN 'The Needle' END,
                   CASE WHEN n % 9001 = 0 THEN 1 ELSE 0 END, n % 9001 = 0,
                   at, CASE WHEN n = 1 THEN at + interval '1 year' ELSE at END, CASE WHEN NOT runs THEN at END, to_json(repeat('state', 60))
            FROM (SELECT n, n IN (1, 70000, 150000) AS runs, timestamptz '2026-01-01Z' + n * interval '1 second' AS at FROM generate_series(1, 200000) n) g
            """,
            """
            INSERT INTO wf.bookmarks (id, instance_id, name, hash, activity_id, activity_node_id, activity_instance_id, created_at)
            SELECT 'b' || id, id, 'x', 'h', 'a', 'a', 'a', now() FROM wf.instances WHERE status = 'Running'
            """,
            "ANALYZE wf.bookmarks"])
            batch.BatchCommands.Add(new(sql));
        await batch.ExecuteNonQueryAsync();
        // As autovacuum leaves it: an index can answer without its rows. Not in a batch, which is a transaction.
        await using (var vacuum = new NpgsqlCommand("VACUUM (ANALYZE) wf.instances", batch.Connection))
            await vacuum.ExecuteNonQueryAsync();
        await batch.Connection!.DisposeAsync();
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    public async Task<string> ExplainAsync(string sql, object?[] values)
    {
        await using var command = Db.CreateCommand("EXPLAIN " + sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value ?? DBNull.Value });
        await using var reader = await command.ExecuteReaderAsync();
        var plan = new System.Text.StringBuilder();
        while (await reader.ReadAsync())
            plan.AppendLine(reader.GetString(0));
        return plan.ToString();
    }
}
