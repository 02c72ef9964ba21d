using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Definitions;

public sealed class VersioningTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    private DefinitionStore Store => _engine.Definitions;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task SaveDraft_NewDefinition_IsVersionOneWithTheFilesOwnId()
    {
        var id = NewId();

        var saved = await SaveAsync(id, Line("a"));

        (saved.Id, saved.Version, saved.IsLatest, saved.IsPublished).ShouldBe(($"{id}-file", 1, true, false));
    }

    [Fact]
    public async Task SaveDraft_IdOfAnotherVersion_GetsItsOwn()
    {
        var first = await SaveAsync(NewId(), Line("a"));

        var copy = await Store.SaveDraftAsync(Document(NewId(), Line("a"), versionId: first.Id));

        copy.Id.ShouldNotBe(first.Id);
        copy.Version.ShouldBe(1);
    }

    [Fact]
    public async Task SaveDraft_Draft_IsChangedInPlace()
    {
        var id = NewId();
        var first = await SaveAsync(id, Line("a"));

        var second = await SaveAsync(id, Line("b"));

        (second.Id, second.Version).ShouldBe((first.Id, 1));
        second.Json.GetRawText().ShouldBe(Document(id, Line("b")).GetRawText());
    }

    [Fact]
    public async Task SaveDraft_Published_IsANewVersion()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);

        var draft = await SaveAsync(id, Line("b"));

        (draft.Version, draft.IsLatest, draft.IsPublished).ShouldBe((2, true, false));
        (await Store.FindAsync(id, VersionOptions.Published))!.Version.ShouldBe(1);
    }

    [Fact]
    public async Task SaveDraft_SameContentAgain_ChangesNothing()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);

        var again = await SaveAsync(id, Line("a"));

        (again.Version, again.IsPublished).ShouldBe((1, true));
    }

    [Fact]
    public async Task SaveDraft_Retracted_LeavesWhatInstancesRunOn()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);
        await Store.RetractAsync(id);

        (await SaveAsync(id, Line("b"))).Version.ShouldBe(2);
    }

    [Fact]
    public async Task SaveDraft_DraftWithARunningInstance_IsANewVersion()
    {
        var id = NewId();
        var draft = await SaveAsync(id, """{"type":"Test.Block","label":"x"}""");
        await _engine.ScalarAsync<string>(
            """
            INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state)
            VALUES (gen_random_uuid()::text, $1, $2, 1, 'Running', 'Suspended', '{}') RETURNING id
            """, id, draft.Id);

        (await SaveAsync(id, Line("b"))).Version.ShouldBe(2);
    }

    [Fact]
    public async Task SaveDraft_ManyAtOnce_LeaveOneLatestDraft()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);

        await Task.WhenAll(Enumerable.Range(0, 12).Select(n => SaveAsync(id, Line($"edit {n}"))));

        (await Store.ListAsync(new() { DefinitionIds = [id], VersionOptions = VersionOptions.AllVersions })).TotalCount.ShouldBe(2);
        (await Store.FindAsync(id, VersionOptions.Draft))!.Version.ShouldBe(2);
    }

    [Fact]
    public async Task SaveDraft_Readonly_IsRefused()
    {
        var id = NewId();
        await Store.SaveDraftAsync(Document(id, Line("a"), more: "\"isReadonly\":true,"));

        var refusal = await Should.ThrowAsync<ReadonlyDefinitionException>(() => SaveAsync(id, Line("b")));

        refusal.Message.ShouldContain(id);
        await Should.ThrowAsync<ReadonlyDefinitionException>(() => Store.PublishAsync(id));
        await Should.ThrowAsync<ReadonlyDefinitionException>(() => Store.DeleteAsync(id));
    }

    [Fact]
    public async Task Publish_Draft_StartsTheNewVersionAndKeepsRunningOnes()
    {
        var id = NewId();
        await SaveAsync(id, Sequence("""{"type":"Test.Block","label":"x"}""", Line("old")));
        await Store.PublishAsync(id);
        var running = await _engine.StartWorkflowAsync(id);
        await _engine.SuspendedAsync(running);
        await SaveAsync(id, Line("new"));

        var result = (await Store.PublishAsync(id))!;

        (result.Definition.Version, result.AlreadyPublished).ShouldBe((2, false));
        var started = await _engine.StartWorkflowAsync(id);
        await _engine.FinishedAsync(started);
        (await _engine.LinesAsync(started)).ShouldBe("new");
        await _engine.CommitAsync(_engine.Client.PrepareStimulus("Test.Block", new { Label = "x" }));
        await _engine.FinishedAsync(running);
        (await _engine.LinesAsync(running)).ShouldBe("old");
    }

    [Fact]
    public async Task Publish_Twice_SaysSo()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);

        (await Store.PublishAsync(id))!.AlreadyPublished.ShouldBeTrue();
        (await Store.PublishAsync("nobody")).ShouldBeNull();
    }

    [Fact]
    public async Task Retract_Published_StartsNothingMore()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);

        (await Store.RetractAsync(id))!.IsPublished.ShouldBeFalse();

        await Should.ThrowAsync<InvalidDefinitionException>(() => _engine.StartWorkflowAsync(id));
        (await Store.RetractAsync(id)).ShouldBeNull();
        (await Store.PublishAsync(id))!.Definition.Version.ShouldBe(1);
    }

    [Fact]
    public async Task Revert_OldVersion_IsANewDraftWithItsContent()
    {
        var id = NewId();
        await SaveAsync(id, Line("first"));
        await Store.PublishAsync(id);
        await SaveAsync(id, Line("second"));
        await Store.PublishAsync(id);

        var draft = (await Store.RevertAsync(id, 1))!;

        (draft.Version, draft.IsPublished).ShouldBe((3, false));
        draft.Json.GetRawText().ShouldContain("first");
        (await Store.RevertAsync(id, 9)).ShouldBeNull();
    }

    [Fact]
    public async Task DeleteVersion_Latest_PromotesThePreviousOne()
    {
        var id = NewId();
        await SaveAsync(id, Line("a"));
        await Store.PublishAsync(id);
        var draft = await SaveAsync(id, Line("b"));

        (await Store.DeleteVersionAsync(draft.Id)).ShouldBeTrue();

        (await Store.FindAsync(id, VersionOptions.Latest))!.Version.ShouldBe(1);
        (await Store.DeleteVersionAsync(draft.Id)).ShouldBeFalse();
    }

    [Fact]
    public async Task Delete_Definition_TakesItsInstancesAndTriggersAlong()
    {
        var id = NewId();
        await SaveAsync(id, Sequence("""{"type":"Elsa.Event","id":"e","eventName":"gone","customProperties":{"canStartWorkflow":true} }""", """{"type":"Test.Block","label":"z"}"""));
        await Store.PublishAsync(id);
        await _engine.SuspendedAsync(await _engine.StartWorkflowAsync(id));

        (await Should.ThrowAsync<RunningInstancesException>(() => Store.DeleteAsync(id))).Count.ShouldBe(1);
        (await Store.DeleteAsync(id, evenRunning: true)).ShouldBeTrue();

        (await _engine.ScalarAsync<long>(
            """
            SELECT (SELECT count(*) FROM wf.instances WHERE definition_id = $1) + (SELECT count(*) FROM wf.triggers WHERE definition_id = $1)
                 + (SELECT count(*) FROM wf.definitions WHERE definition_id = $1)
            """, id)).ShouldBe(0);
        (await Store.DeleteAsync(id)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("Latest", 3)]
    [InlineData("published", 2)]
    [InlineData("Draft", 3)]
    [InlineData("LatestOrPublished", 3)]
    [InlineData("LatestAndPublished", null)]
    [InlineData("AllVersions", 3)]
    [InlineData("1", 1)]
    [InlineData("7", null)]
    public async Task Find_Options_SelectTheVersion(string options, int? expected)
    {
        var id = NewId();
        foreach (var text in new[] { "a", "b" })
        {
            await SaveAsync(id, Line(text));
            await Store.PublishAsync(id);
        }

        await SaveAsync(id, Line("c"));

        var found = await Store.FindAsync(id, VersionOptions.Parse(options));

        (found?.Version).ShouldBe(expected);
        VersionOptions.Parse(options).ToString().ShouldBe(options, StringCompareShould.IgnoreCase);
    }

    [Fact]
    public void Parse_UnknownOptions_SaysWhatThereIs() =>
        Should.Throw<FormatException>(() => VersionOptions.Parse("Newest")).Message.ShouldContain("LatestOrPublished");

    [Fact]
    public async Task List_FiltersAndPages_CountAll()
    {
        var mark = Guid.NewGuid().ToString("N");
        var ids = new List<string>();
        for (var n = 0; n < 5; n++)
        {
            ids.Add(NewId());
            await Store.SaveDraftAsync(Document(ids[n], Line("a"), name: $"{mark} {n}", more: n == 4 ? "\"isSystem\":true," : ""));
        }

        await Store.PublishAsync(ids[1]);
        await SaveAsync(ids[1], Line("b"), $"{mark} 1");

        var page = await Store.ListAsync(new() { SearchTerm = mark.ToUpperInvariant(), IsSystem = false }, 1, 3, DefinitionOrder.Name, descending: false);

        page.TotalCount.ShouldBe(4);
        page.Items.ShouldHaveSingleItem().Name.ShouldBe($"{mark} 3");
        (await Store.ListAsync(new() { SearchTerm = mark, VersionOptions = VersionOptions.Published })).Items.ShouldHaveSingleItem().DefinitionId.ShouldBe(ids[1]);
        (await Store.ListAsync(new() { DefinitionIds = [ids[1]], VersionOptions = VersionOptions.AllVersions })).TotalCount.ShouldBe(2);
        (await Store.ListAsync(new() { SearchTerm = mark }, 9, 3)).TotalCount.ShouldBe(5);
        (await Store.IsNameUniqueAsync($"{mark} 2")).ShouldBeFalse();
        (await Store.IsNameUniqueAsync($"{mark} 2", ids[2])).ShouldBeTrue();
    }

    [Fact]
    public async Task Import_EditedInTheDatabase_KeepsTheEdit()
    {
        var id = NewId();
        await Store.ImportAsync(Parse(id, Line("file 1")));
        (await Store.ImportAsync(Parse(id, Line("file 1")))).ShouldBe(ImportOutcome.Unchanged);
        (await Store.ImportAsync(Parse(id, Line("file 2")))).ShouldBe(ImportOutcome.Imported);
        await SaveAsync(id, Line("edited"));

        (await Store.ImportAsync(Parse(id, Line("file 3")))).ShouldBe(ImportOutcome.KeptEdited);
        (await Store.FindAsync(id, VersionOptions.Latest))!.Json.GetRawText().ShouldContain("edited");
        (await Store.FindAsync(id, VersionOptions.Published))!.Version.ShouldBe(2);
    }

    [Fact]
    public async Task Graph_MoreVersionsThanTheCacheHolds_AreStillRead()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString, o => o.MaxCachedGraphs = 3, runsBursts: false);
        var versions = new List<string>();
        for (var n = 0; n < 10; n++)
        {
            var id = NewId();
            versions.Add((await engine.Definitions.SaveDraftAsync(Document(id, Line($"text {n}")))).Id);
            await engine.Definitions.PublishAsync(id);
        }

        foreach (var version in versions.Concat(versions))
            (await engine.Definitions.GraphAsync(version)).Definition.Id.ShouldBe(version);
        (await engine.Definitions.GraphAsync(versions[^1])).ShouldBeSameAs(await engine.Definitions.GraphAsync(versions[^1]));
    }

    [Fact]
    public async Task Graph_DraftEdited_IsReadAgain()
    {
        var id = NewId();
        var draft = await SaveAsync(id, Line("a"));
        var before = await Store.GraphAsync(draft.Id);
        (await Store.GraphAsync(draft.Id)).ShouldBeSameAs(before);

        await using var other = await EngineHost.StartAsync(database.ConnectionString, runsBursts: false);
        await other.Definitions.SaveDraftAsync(Document(id, Sequence(Line("b"))));

        (await Store.GraphAsync(draft.Id)).ShouldNotBeSameAs(before);
    }

    internal static string NewId() => $"def-{Guid.NewGuid():N}";

    internal static JsonElement Document(string id, string root, string name = "Test", string more = "", string? versionId = null) =>
        JsonSerializer.Deserialize<JsonElement>($$"""{"id":"{{versionId ?? id + "-file"}}","definitionId":"{{id}}","name":"{{name}}",{{more}}"root":{{root}}}""");

    private static WorkflowDefinition Parse(string id, string root) => WorkflowDefinition.Parse(Document(id, root).GetRawText(), "test");

    private Task<WorkflowDefinition> SaveAsync(string id, string root, string name = "Test") => Store.SaveDraftAsync(Document(id, root, name));
}
