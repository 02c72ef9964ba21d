using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Npgsql;
using static Aura.Workflows.Tests.Definitions.VersioningTests;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>Who saves over what: revisions, editors, and lists over many versions.</summary>
public sealed class DraftTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    private DefinitionStore Store => _engine.Definitions;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, runsBursts: false);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Save_EachChange_IsAnotherRevisionAndNamesItsAuthor()
    {
        var id = NewId();
        var first = await Store.SaveDraftAsync(Document(id, Line("a")), By("anna"));
        var same = await Store.SaveDraftAsync(Document(id, Line("a")), By("bert"));
        var second = await Store.SaveDraftAsync(Document(id, Line("b")), By("bert"));

        (same.Revision, same.SavedBy).ShouldBe((first.Revision, "anna"));
        second.Revision.ShouldBeGreaterThan(first.Revision);
        (second.SavedBy, second.PublishedBy).ShouldBe(("bert", null));
        var published = (await Store.PublishAsync(id, actor: "carl"))!.Definition;
        (published.PublishedBy, published.Revision).ShouldBe(("carl", second.Revision));
        await Store.RetractAsync(id);
        await Store.PublishAsync(id, actor: "dora");
        (await Store.FindAsync(id, VersionOptions.Latest))!.PublishedBy.ShouldBe("carl");
    }

    [Fact]
    public async Task Save_OnAnotherRevision_IsRefusedUnlessItIsWhatIsStored()
    {
        var id = NewId();
        var first = await Store.SaveDraftAsync(Document(id, Line("a")), By("anna"));
        await Store.SaveDraftAsync(Document(id, Line("b")), By("bert"));

        var conflict = await Should.ThrowAsync<DraftConflictException>(() => Store.SaveDraftAsync(Document(id, Line("c")), By("anna") with { Revision = first.Revision }));

        conflict.Stored!.SavedBy.ShouldBe("bert");
        conflict.Message.ShouldContain("bert");
        (await Store.SaveDraftAsync(Document(id, Line("b")), By("anna") with { Revision = first.Revision })).SavedBy.ShouldBe("bert");
    }

    [Fact]
    public async Task Save_DraftMadeAnewUnderTheSameId_IsAnotherRevision()
    {
        var id = NewId();
        var first = await Store.SaveDraftAsync(Document(id, Line("a")));
        await Store.DeleteAsync(id);
        await Store.SaveDraftAsync(Document(id, Line("b")));

        await Should.ThrowAsync<DraftConflictException>(() => Store.SaveDraftAsync(Document(id, Line("c")), By("anna") with { Revision = first.Revision }));
    }

    [Fact]
    public async Task Save_FromTwoHostsAtOnce_OneRevisionWins()
    {
        await using var other = await EngineHost.StartAsync(database.ConnectionString, runsBursts: false);
        var id = NewId();
        var seen = (await Store.SaveDraftAsync(Document(id, Line("start")))).Revision;

        var outcomes = await Task.WhenAll(Enumerable.Range(0, 16).Select(async n =>
        {
            var store = n % 2 == 0 ? Store : other.Definitions;
            try
            {
                return (await store.SaveDraftAsync(Document(id, Line($"edit {n}")), By($"user{n}") with { Revision = seen })).SavedBy;
            }
            catch (DraftConflictException)
            {
                return null;
            }
        }));

        var winner = outcomes.OfType<string>().ShouldHaveSingleItem();
        (await Store.FindAsync(id, VersionOptions.Latest))!.SavedBy.ShouldBe(winner);
    }

    [Fact]
    public async Task Save_OfOneEditor_GoesOnOverItsOwnSavesButNotOverOthers()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, Line("start")));
        var opened = await OpenAsync(id, "tab1");
        await SaveAsync(opened, "one");
        await SaveAsync(opened, "two");

        await Should.ThrowAsync<DraftConflictException>(() => SaveAsync(opened, "one"));
        await Store.SaveDraftAsync(Document(id, Line("a program")));
        await Should.ThrowAsync<DraftConflictException>(() => SaveAsync(opened, "three"));

        (await Store.FindAsync(id, VersionOptions.Latest))!.Json.GetRawText().ShouldContain("a program");
    }

    [Fact]
    public async Task Save_WhileConsumersAreMoved_TellsTheConsumersEditor()
    {
        var name = "Used " + Guid.NewGuid().ToString("N");
        var (child, parent) = (NewId(), NewId());
        const string Auto = """ "options":{"usableAsActivity":true,"autoUpdateConsumingWorkflows":true}, """;
        await Store.SaveDraftAsync(Document(child, Line("one"), name, Auto));
        await Store.PublishAsync(child);
        await Store.SaveDraftAsync(Document(parent, Sequence($$"""{"type":"{{WorkflowActivitySource.TypeNameOf(name)}}","id":"c"}""")));
        var opened = await OpenAsync(parent, "tab1");
        await Store.SaveDraftAsync(Document(child, Line("two"), name, Auto));
        await Store.PublishAsync(child, actor: "carl");

        opened["description"] = "edited";
        var conflict = await Should.ThrowAsync<DraftConflictException>(() => Store.SaveDraftAsync(JsonSerializer.SerializeToElement(opened), By("anna", DraftSource.Editor)));

        conflict.Stored!.SavedBy.ShouldBe("carl");
    }

    [Fact]
    public async Task SaveAndPublish_WithErrors_StoresTheDraftAndLeavesWhatIsPublished()
    {
        var id = NewId();
        await Store.SaveAndPublishAsync(Document(id, Line("good")), By("anna"));

        var result = await Store.SaveAndPublishAsync(
            Document(id, """{"type":"Elsa.WriteLine","id":"w","text":{"typeName":"String","expression":{"type":"Nope","value":"x"} } }"""), By("anna"));

        result.ValidationErrors.ShouldHaveSingleItem().ActivityId.ShouldBe("w");
        (result.Definition.Version, result.Definition.IsPublished).ShouldBe((2, false));
        (await Store.FindAsync(id, VersionOptions.Published))!.Version.ShouldBe(1);
        (await Store.FindAsync(id, VersionOptions.Draft))!.Json.GetRawText().ShouldContain("Nope");
    }

    [Theory]
    [InlineData(DefinitionOrder.Name, true)]
    [InlineData(DefinitionOrder.Name, false)]
    [InlineData(DefinitionOrder.Created, true)]
    [InlineData(DefinitionOrder.Version, true)]
    public async Task List_AmongManyVersions_IsReadFromIndexesAndWithoutDocuments(DefinitionOrder order, bool descending)
    {
        // By the planner's word and not by the clock.
        await using var fresh = new Scratch(database);
        await fresh.FillAsync(definitions: 300, versions: 100);
        var latest = DefinitionStore.ListSql(new() { VersionOptions = VersionOptions.Latest, IsSystem = false }, 2, 10, order, descending);
        var history = DefinitionStore.ListSql(new() { VersionOptions = VersionOptions.AllVersions, DefinitionIds = ["many7"] }, 0, 10, order, descending);
        var ids = DefinitionStore.ListSql(new() { VersionOptions = VersionOptions.AllVersions, Ids = ["many7-v3", "many8-v4"] }, 0, 10, order, descending);

        foreach (var (count, page, values) in new[] { latest, history, ids })
        {
            foreach (var (sql, parameters) in new[] { (count, values[..^2]), (page, values) })
            {
                var plan = await fresh.PlanAsync(sql, parameters);
                plan.ShouldNotContain("Seq Scan", customMessage: sql);
                sql.ShouldNotContain("document");
            }
        }
    }

    private static DraftSave By(string actor, DraftSource source = DraftSource.Program) => new() { Actor = actor, Source = source };

    private async Task<JsonObject> OpenAsync(string id, string editor) =>
        JsonObject.Create(await Store.ViewAsync((await Store.FindAsync(id, VersionOptions.Latest))!, editor))!;

    private Task<WorkflowDefinition> SaveAsync(JsonObject opened, string text)
    {
        var edited = (JsonObject)opened.DeepClone();
        edited["root"]!["text"]!["expression"]!["value"] = text;
        return Store.SaveDraftAsync(JsonSerializer.SerializeToElement(edited), By("anna", DraftSource.Editor));
    }

    /// <summary>A transaction with many versions in it, which is rolled back.</summary>
    private sealed class Scratch(TestDatabase database) : IAsyncDisposable
    {
        private NpgsqlConnection? _connection;

        public async Task FillAsync(int definitions, int versions)
        {
            _connection = await database.DataSource.OpenConnectionAsync();
            await using var fill = new NpgsqlCommand($$"""
                BEGIN;
                INSERT INTO wf.definitions (version_id, definition_id, version, name, is_latest, is_published, content_hash, document, created_at, published_at)
                SELECT 'many' || d || '-v' || v, 'many' || d, v, 'Many ' || d, v = {{versions}}, false, md5(d || ':' || v),
                       json_build_object('definitionId', d, 'root', repeat('x', 500)), now() - make_interval(secs => d * v), now()
                FROM generate_series(1, {{definitions}}) d, generate_series(1, {{versions}}) v;
                ANALYZE wf.definitions
                """, _connection);
            await fill.ExecuteNonQueryAsync();
        }

        public async Task<string> PlanAsync(string sql, object?[] values)
        {
            await using var command = new NpgsqlCommand("EXPLAIN " + sql, _connection);
            foreach (var value in values)
                command.Parameters.Add(new() { Value = value });
            await using var reader = await command.ExecuteReaderAsync();
            var lines = new List<string>();
            while (await reader.ReadAsync())
                lines.Add(reader.GetString(0));
            return string.Join('\n', lines);
        }

        public async ValueTask DisposeAsync()
        {
            if (_connection is null)
                return;
            await using (var undo = new NpgsqlCommand("ROLLBACK", _connection))
                await undo.ExecuteNonQueryAsync();
            await _connection.DisposeAsync();
        }
    }
}
