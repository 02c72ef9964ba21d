using System.Net;
using System.Text;
using Aura.Testing;
using Aura.Workflows.Http;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

/// <summary>Several hosts on one database: who takes a request need not be who runs the workflow.</summary>
public sealed class HttpClusterTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private HttpHost _front = null!;

    public async ValueTask InitializeAsync() => _front = await HttpHost.StartAsync(database.ConnectionString, runsBursts: false);

    public ValueTask DisposeAsync() => _front.DisposeAsync();

    [Fact]
    public async Task Request_OnAHostThatRunsNothing_IsAnsweredByAnother()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString);
        await _front.PublishAsync(Sequence(Endpoint(_path), Answer(Text("first")), Wait(_path + "/next"), Answer(Text("second"))));

        (await _front.Client.GetStringAsync(_path)).ShouldBe("first");
        (await _front.Client.GetStringAsync(_path + "/next")).ShouldBe("second");
    }

    [Fact]
    public async Task Request_HostsBehindOneAnother_EachFindsTheOthersPaths()
    {
        await using var other = await HttpHost.StartAsync(database.ConnectionString);
        await other.PublishAsync(Sequence(Endpoint(_path), Answer(Text("a")), Wait(_path + "/1", id: "w1"), Answer(Text("b")), Wait(_path + "/2"), Answer(Text("c"))));

        (await _front.Client.GetStringAsync(_path)).ShouldBe("a");
        (await other.Client.GetStringAsync(_path + "/1")).ShouldBe("b");
        (await _front.Client.GetStringAsync(_path + "/2")).ShouldBe("c");
    }

    [Fact]
    public async Task Request_HostDiesBeforeItsCommit_IsAnsweredByTheNext()
    {
        var id = await _front.PublishAsync(Sequence(Endpoint(_path), Answer(Text("not lost"))));
        var request = _front.Client.GetStringAsync(_path);
        await HttpHost.WaitForAsync(async () => await _front.CountInstancesAsync(id) == 1);

        // A host that took the instance and died: its row stands, its lock is free.
        await _front.DataSource.ExecuteAsync("INSERT INTO wf.hosts (id, name) VALUES ('dead', 'dead')", [], default);
        await _front.DataSource.ExecuteAsync("UPDATE wf.instances SET owner = 'dead', fence = fence + 1 WHERE definition_id = $1", [id], default);
        await using var engine = await EngineHost.StartAsync(database.ConnectionString);

        (await request).ShouldBe("not lost");
    }

    [Fact]
    public async Task Request_NotificationsLost_PollingFindsTheAnswer()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString);
        await _front.PublishAsync(Sequence(Endpoint(_path), Answer(Text("found"))));
        await _front.DataSource.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN wf_http%'", [], default);

        (await _front.Client.GetStringAsync(_path)).ShouldBe("found");
    }

    [Fact]
    public async Task Request_BurstCommitsInBetween_IsNotAnsweredTooEarly()
    {
        await using var engine = await EngineHost.StartAsync(database.ConnectionString);
        await _front.PublishAsync(
            Sequence(Endpoint(_path), Line("a"), Line("b"), Answer(Text("whole")), Line("c")), """ "options":{"commitStrategyName":"ActivityExecuted"} """);

        for (var i = 0; i < 10; i++)
            (await _front.Client.GetStringAsync(_path)).ShouldBe("whole");
    }

    [Fact]
    public async Task Requests_ManyAtOnceOnTwoHosts_EachGetsItsOwnAnswer()
    {
        await using var other = await HttpHost.StartAsync(database.ConnectionString);
        await _front.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("parsedContent", "v")), Answer(Variable("v"))), Variables("v"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            var host = i % 2 == 0 ? _front : other;
            using var content = new StringContent($$"""{"n":{{i}}}""", Encoding.UTF8, "application/json");
            return await (await host.Client.PostAsync(_path, content)).Content.ReadAsStringAsync();
        }));

        answers.ShouldBe(Enumerable.Range(0, 60).Select(i => $$"""{"n":{{i}}}"""));
        (await _front.CountAsync("SELECT count(*) FROM wf.http_responses")).ShouldBe(0);
    }

    [Fact]
    public async Task Request_InstanceWasCancelledBeforeItRan_Is200Empty()
    {
        var id = await _front.PublishAsync(Sequence(Endpoint(_path), Answer(Text("never"))));
        var request = _front.Client.GetAsync(_path);
        await HttpHost.WaitForAsync(async () => await _front.CountInstancesAsync(id) == 1);

        await _front.DataSource.ExecuteAsync("DELETE FROM wf.messages", [], default);
        await _front.DataSource.ExecuteAsync(
            "UPDATE wf.instances SET status = 'Finished', sub_status = 'Cancelled', finished_at = now() WHERE definition_id = $1", [id], default);

        var response = await request;
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await response.Content.ReadAsStringAsync()).ShouldBe("");
    }

    [Fact]
    public async Task Paths_ManyWaitersAtFewPaths_AreReadThroughTheIndex()
    {
        await _front.DataSource.ExecuteAsync("""
            INSERT INTO wf.bookmarks (id, instance_id, name, hash, payload, activity_id, activity_node_id, activity_instance_id, created_at)
            SELECT 'b' || n, 'i' || n, 'Elsa.HttpEndpoint', 'h', json_build_object('path', 'many/' || n % 7), 'a', 'a', 'a', now() FROM generate_series(1, 20000) n
            """, [], default);
        await _front.DataSource.ExecuteAsync("ANALYZE wf.bookmarks", [], default);

        var plan = await _front.DataSource.QueryAsync("EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) " + HttpRoutes.LoadSql, [], r => r.GetString(0), default);

        var text = string.Join('\n', plan);
        text.ShouldContain("bookmarks_http_paths");
        text.ShouldNotContain("Seq Scan on bookmarks");
        var table = await _front.Services.GetRequiredService<HttpRoutes>().SinceAsync(long.MaxValue - 1, default);
        table.Table.Match(new Microsoft.AspNetCore.Http.DefaultHttpContext(), "/many/3").ShouldHaveSingleItem().Template.ShouldBe("many/3");
        await _front.DataSource.ExecuteAsync("DELETE FROM wf.bookmarks WHERE hash = 'h'", [], default);
    }
}
