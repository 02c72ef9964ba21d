using Aura.Testing;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.Options;
using static Aura.Workflows.Tests.Json;
using static Aura.Workflows.Tests.Runtime.EngineHostQueries;

namespace Aura.Workflows.Tests.Runtime;

public sealed class StimulusTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _label = Guid.NewGuid().ToString("N");
    private EngineHost _engine = null!;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString, queue: null);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Fact]
    public async Task Stimulus_Exact_ResumesAllThatWaitForItAndNoOther()
    {
        var two = new[] { await StartAsync(Block(_label)), await StartAsync(Block(_label)) };
        var other = await StartAsync(Block(_label + "x"));
        foreach (var id in (string[])[.. two, other])
            await _engine.SuspendedAsync(id);

        await _engine.UnblockAsync(_label);

        foreach (var id in two)
            await _engine.FinishedAsync(id);
        (await _engine.CountAsync("messages", other)).ShouldBe(0);
        (await KeptAsync(_label)).ShouldBe(0);
    }

    [Fact]
    public async Task Stimulus_Correlated_ResumesOnlyItsOwn()
    {
        var mine = await StartAsync(Block(_label), "mine" + _label);
        var other = await StartAsync(Block(_label), "other" + _label);
        await _engine.SuspendedAsync(mine);
        await _engine.SuspendedAsync(other);

        await _engine.SendAsync(_engine.Client.PrepareStimulus("Test.Block", new { Label = _label }, correlationId: "mine" + _label));

        await _engine.FinishedAsync(mine);
        (await _engine.CountAsync("messages", other)).ShouldBe(0);
        (await _engine.CountAsync("bookmarks", other)).ShouldBe(1);
    }

    [Fact]
    public async Task Stimulus_Filtered_ResumesWhatHoldsAllItsMembers()
    {
        string Order(string customer, string city) => Act("Test.PlacedOrder", "o", $$""" "customer":"{{customer}}","city":"{{city}}" """);
        var paris = await StartAsync(Order(_label, "Paris"));
        var rome = await StartAsync(Order(_label, "Rome"));
        var stranger = await StartAsync(Order(_label + "x", "Rome"));
        foreach (var id in (string[])[paris, rome, stranger])
            await _engine.SuspendedAsync(id);

        await _engine.SendAsync(_engine.Client.PrepareFilteredStimulus("Test.PlacedOrder", new { Customer = _label, City = "Rome" }));
        await _engine.FinishedAsync(rome);
        (await _engine.CountAsync("bookmarks", paris)).ShouldBe(1);

        await _engine.SendAsync(_engine.Client.PrepareFilteredStimulus("Test.PlacedOrder", new { Customer = _label }));
        await _engine.FinishedAsync(paris);
        (await _engine.CountAsync("bookmarks", stranger)).ShouldBe(1);
    }

    [Fact]
    public async Task Stimulus_NobodyWaits_IsKeptAndDeliveredOnce()
    {
        await _engine.UnblockAsync(_label, "early");
        (await KeptAsync(_label)).ShouldBe(1);

        var first = await StartAsync(Block(_label, output: true), more: Output);
        (await _engine.FinishedAsync(first)).Output["Out"].GetString().ShouldBe("early");
        (await KeptAsync(_label)).ShouldBe(0);

        var second = await StartAsync(Block(_label));
        await _engine.SuspendedAsync(second);
        await _engine.SettledAsync(second);
        (await _engine.CountAsync("bookmarks", second)).ShouldBe(1);
    }

    [Fact]
    public async Task Stimulus_ThreeKept_EachMeetsOneBookmark()
    {
        foreach (var answer in (string[])["1", "2", "3"])
            await _engine.UnblockAsync(_label, answer);
        (await KeptAsync(_label)).ShouldBe(3);

        var id = await StartAsync(Sequence(Block(_label, "b1"), Block(_label, "b2"), Block(_label, "b3")));

        var state = await _engine.FinishedAsync(id);
        new[] { "b1", "b2", "b3" }.Select(b => state.ActivityOutputs[b]["Result"].GetString()).ShouldBe(["1", "2", "3"]);
    }

    [Fact]
    public async Task Stimulus_OneKeptAndTwoBookmarks_MeetsOne()
    {
        await _engine.UnblockAsync(_label, "only");

        var id = await StartAsync(Parallel(Block(_label, "b1"), Block(_label, "b2")));

        var state = await _engine.ReachAsync(id, s => s.SubStatus == WorkflowSubStatus.Suspended && s.Bookmarks.Count == 1);
        state.ActivityOutputs.Count.ShouldBe(1);
        await _engine.UnblockAsync(_label, "second");
        (await _engine.FinishedAsync(id)).ActivityOutputs.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Stimulus_KeptForACorrelation_WaitsForThatOne()
    {
        await _engine.SendAsync(_engine.Client.PrepareStimulus("Test.Block", new { Label = _label }, correlationId: "c" + _label));

        var other = await StartAsync(Block(_label), "other" + _label);
        await _engine.SuspendedAsync(other);
        (await KeptAsync(_label)).ShouldBe(1);
        var mine = await StartAsync(Block(_label), "c" + _label);

        await _engine.FinishedAsync(mine);
        (await _engine.CountAsync("bookmarks", other)).ShouldBe(1);
    }

    [Fact]
    public async Task Stimulus_Expired_IsNotDelivered()
    {
        await _engine.UnblockAsync(_label);
        await _engine.ExecuteAsync("UPDATE wf.stimuli SET expires_at = now() - interval '1 second' WHERE hash = $1", Hash(_label));

        var id = await StartAsync(Block(_label));
        await _engine.SuspendedAsync(id);

        await NewSweeper().RunOnceAsync(CancellationToken.None);
        (await _engine.CountAsync("messages", id)).ShouldBe(0);
        await WaitForAsync(async () => await KeptAsync(_label) == 0);
        (await _engine.CountAsync("bookmarks", id)).ShouldBe(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Stimulus_RetentionOfZero_IsNotKept(bool prepared)
    {
        await using var forgetful = await EngineHost.StartAsync(database.ConnectionString, o => o.StimulusRetention = TimeSpan.Zero, queue: null);

        if (prepared)
            await forgetful.SendAsync(forgetful.Client.PrepareStimulus("Test.Block", new { Label = _label }));
        else
            await forgetful.Client.SendStimulusAsync("Test.Block", new { Label = _label });

        (await KeptAsync(_label)).ShouldBe(0);
    }

    [Fact]
    public async Task Stimulus_RetentionOfZero_StartsWhatItTriggers()
    {
        await using var forgetful = await EngineHost.StartAsync(database.ConnectionString, o => o.StimulusRetention = TimeSpan.Zero, queue: null);
        var definition = await forgetful.DefineAsync(Sequence($$"""
            {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Literal","value":"{{_label}}"} },"customProperties":{"canStartWorkflow":true} }
            """));

        await forgetful.CommitAsync(forgetful.Client.PrepareEvent(_label, null));

        await forgetful.FinishedAsync(await forgetful.ScalarAsync<string>("SELECT id FROM wf.instances WHERE definition_id = $1", definition));
    }

    [Fact]
    public async Task Message_CommittedLongAfterItsTime_IsHeard()
    {
        var id = await StartAsync(Block(_label));
        await _engine.SuspendedAsync(id);

        // As a transaction that began an hour ago would leave it: hosts look no further back than they must.
        await _engine.ExecuteAsync("""
            INSERT INTO wf.messages (instance_id, kind, target, due_at)
            SELECT instance_id, 'Resume', id, now() - interval '1 hour' FROM wf.bookmarks WHERE instance_id = $1
            """, id);

        await _engine.FinishedAsync(id);
    }

    [Fact]
    public async Task Stimulus_AndBookmarkBothUncommitted_TheSweeperLetsThemMeet()
    {
        // The stimulus does not see the bookmark, and the bookmark's commit not the stimulus.
        await using var connection = await _engine.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var batch = new Npgsql.NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                _engine.Client.PrepareStimulus("Test.Block", new { Label = _label }, new Dictionary<string, object?> { ["Answer"] = "1" }),
                _engine.Client.PrepareStimulus("Test.Block", new { Label = _label }, new Dictionary<string, object?> { ["Answer"] = "2" }),
            },
        };
        await batch.ExecuteNonQueryAsync();
        var id = await StartAsync(Sequence(Block(_label, "b1"), Block(_label, "b2")));
        await _engine.SuspendedAsync(id);
        await transaction.CommitAsync();
        (await KeptAsync(_label)).ShouldBe(2);

        // It waits its turn if the host's own sweeper is at work.
        await WaitForAsync(async () =>
        {
            await NewSweeper().RunOnceAsync(CancellationToken.None);
            return await KeptAsync(_label) < 2;
        });

        var state = await _engine.FinishedAsync(id);
        state.ActivityOutputs["b1"]["Result"].GetString().ShouldBe("1");
        state.ActivityOutputs["b2"]["Result"].GetString().ShouldBe("2");
    }

    [Fact]
    public async Task StimulusTo_InstanceThatDoesNotWaitYet_ReachesItInItsNextBurst()
    {
        var start = await _engine.Client.PrepareStartAsync(await _engine.DefineAsync(Block(_label)), new Dictionary<string, object?>());

        await _engine.Client.ExecuteAsync([.. start.Statements, _engine.Client.PrepareStimulusTo(start.InstanceId, "Test.Block", new { Label = _label })]);

        (await _engine.FinishedAsync(start.InstanceId)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
    }

    private const string Output = """ "outputs":[{"name":"Out","type":"Object"}] """;

    private static string Block(string label, string id = "b", bool output = false) =>
        Act("Test.Block", id, $$""" "label":"{{label}}"{{(output ? ",\"result\":{\"memoryReference\":{\"id\":\"Out\"} }" : "")}} """);

    private static string Hash(string label) => StimulusHash.Of("Test.Block", new { Label = label });

    private Sweeper NewSweeper() => new(_engine.DataSource, Microsoft.Extensions.Options.Options.Create(new WorkflowsOptions()));

    private Task<long> KeptAsync(string label) => _engine.ScalarAsync<long>("SELECT count(*) FROM wf.stimuli WHERE hash = $1", Hash(label));

    private async Task<string> StartAsync(string root, string? correlationId = null, string more = "") =>
        await _engine.StartWorkflowAsync(await _engine.DefineAsync(root, more), correlationId: correlationId);
}
