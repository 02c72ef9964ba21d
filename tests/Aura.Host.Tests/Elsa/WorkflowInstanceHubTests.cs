using System.Net.WebSockets;
using System.Text.Json;
using Aura.Host.Api;
using Aura.Host.Elsa;
using Aura.Host.Security;
using Aura.Testing;
using Microsoft.Extensions.DependencyInjection;
using static Aura.Host.Tests.Elsa.Act;

namespace Aura.Host.Tests.Elsa;

/// <summary>The live view through a raw WebSocket; workflows run on another host than the one that is watched through.</summary>
public sealed class WorkflowInstanceHubTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private const string Observe = "ObserveInstanceAsync";
    private const string Stats = "ActivityExecutionLogUpdatedAsync";
    private InstanceHost _front = null!;
    private InstanceHost _engine = null!;

    private string Url => _front.Url + "/elsa/hubs/workflow-instance";

    public async ValueTask InitializeAsync()
    {
        _front = await InstanceHost.StartAsync(database.ConnectionString, runsWorkflows: false, o => o.MaxPerConnection = 3);
        _engine = await InstanceHost.StartAsync(database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await _front.DisposeAsync();
        await _engine.DisposeAsync();
    }

    [Fact]
    public async Task Observe_CommitOfAnotherHost_IsToldWithItsBadges()
    {
        var id = await _engine.DispatchAsync(await _engine.PublishAsync(Sequence(Event("go", "e"), Line("a", "a"))));
        await _engine.ReachesAsync(id, "Suspended");
        await using var client = await ConnectAsync();
        await client.SendAsync(Observe, id);

        Badge(await client.CalledAsync(Stats), "e").GetProperty("isBlocked").GetBoolean().ShouldBeTrue();
        await client.CalledAsync("WorkflowExecutionLogUpdatedAsync");
        (await client.CalledAsync("WorkflowInstanceUpdatedAsync")).GetProperty("workflowInstanceId").GetString().ShouldBe(id);
        await _engine.PostAsync("events/go/trigger", $$"""{"workflowInstanceId":"{{id}}"}""");

        var badge = Badge(await client.CalledAsync(Stats, s => Has(s, "a")), "a");
        (badge.GetProperty("completedCount").GetInt32(), badge.GetProperty("activityNodeId").GetString()).ShouldBe((1, "Workflow1:seq:a"));
        await client.CalledAsync("WorkflowInstanceUpdatedAsync");
    }

    [Fact]
    public async Task Observe_AfterAReconnect_HearsWhatItMissed()
    {
        var id = await _engine.DispatchAsync(await _engine.PublishAsync(Sequence(Event("back", "e"), Line("a", "a"))));
        await _engine.ReachesAsync(id, "Suspended");
        await using (var first = await ConnectAsync())
        {
            (await first.InvokeAsync(Observe, id)).ShouldBeNull();
            await first.CalledAsync(Stats);
        }

        await _engine.PostAsync("events/back/trigger", $$"""{"workflowInstanceId":"{{id}}"}""");
        await _engine.ReachesAsync(id, "Finished");

        await using var second = await ConnectAsync();
        (await second.InvokeAsync(Observe, id)).ShouldBeNull();
        Has(await second.CalledAsync(Stats), "a").ShouldBeTrue();
    }

    [Fact]
    public async Task Observe_UnknownOrTooMany_IsRefused()
    {
        await using var client = await ConnectAsync();
        (await client.InvokeAsync(Observe, "nobody"))!.ShouldContain("no such workflow instance");
        var definition = await _engine.PublishAsync(Line("a", "a"));
        for (var i = 0; i < 3; i++)
            (await client.InvokeAsync(Observe, await _engine.DispatchAsync(definition))).ShouldBeNull();
        (await client.InvokeAsync(Observe, await _engine.DispatchAsync(definition)))!.ShouldContain("3 instances");
    }

    [Theory]
    [InlineData(AuraRoles.Employee, 403)]
    [InlineData(null, 401)]
    [InlineData(AuraRoles.Auditor, 200)]
    public async Task Negotiate_ByRole_AsksForReadWorkflows(string? role, int status)
    {
        using var client = _front.ClientOf(role);
        using var response = await client.PostAsync(new Uri(Url + "/negotiate?negotiateVersion=1"), null, TestContext.Current.CancellationToken);
        ((int)response.StatusCode).ShouldBe(status);
    }

    [Fact]
    public async Task Connect_NobodyKnown_IsTurnedAway() =>
        (await Should.ThrowAsync<WebSocketException>(() => HubClient.ConnectAsync(Url))).Message.ShouldContain("401");

    [Fact]
    public async Task Connect_TokenInTheUrl_IsTaken()
    {
        await using var client = await HubClient.ConnectAsync($"{Url}?access_token={_front.TokenOf(AuraRoles.Director)}");
        (await client.InvokeAsync(Observe, "nobody"))!.ShouldContain("no such");
    }

    [Fact]
    public async Task Observers_ComeAndGo_AreCountedAndForgotten()
    {
        var id = await _engine.DispatchAsync(await _engine.PublishAsync(Event("never", "e")));
        var collector = _front.Services.GetRequiredService<MetricsCollector>();
        var before = Count();
        await using (var client = await ConnectAsync())
        {
            (await client.InvokeAsync(Observe, id)).ShouldBeNull();
            (await client.InvokeAsync(Observe, id)).ShouldBeNull();
            Count().ShouldBe(before + 1);
        }

        await Until.TrueAsync(() => Task.FromResult(Count() == before), () => $"{Count()} observers are left.", 30);

        double Count() => collector.Collect().SingleOrDefault(f => f.Name == "aura_workflow_observers")?.Samples.Sum(s => s.Value) ?? 0;
    }

    [Fact]
    public async Task Tell_WatcherThatDoesNotRead_KeepsNobodyWaitingAndIsSkipped()
    {
        var id = await _engine.DispatchAsync(await _engine.PublishAsync(Event("never", "e")));
        await _engine.ReachesAsync(id, "Suspended");
        var time = TimeProvider.System;
        var observers = new InstanceObservers(
            _front.Services.GetRequiredService<Aura.Workflows.Runtime.InstanceStore>(), _front.Services.GetRequiredService<ApiMetrics>(), time, new());
        var stuck = new TaskCompletionSource();
        var (slow, quick) = (0, 0);
        observers.Add("slow", id, _ =>
        {
            slow++;
            return stuck.Task;
        });
        observers.Add("quick", id, _ =>
        {
            quick++;
            return Task.CompletedTask;
        });

        await observers.RunOnceAsync(TestContext.Current.CancellationToken);
        (slow, quick).ShouldBe((1, 1));
        await observers.RunOnceAsync(TestContext.Current.CancellationToken);
        (slow, quick).ShouldBe((1, 1), "nothing has happened");
        await TouchAndRunAsync(() => quick == 2);
        slow.ShouldBe(1, "it has not taken the first one yet");
        stuck.SetResult();
        await TouchAndRunAsync(() => quick == 3);
        slow.ShouldBe(2, "one message for all that it missed");
        observers.Remove("slow");
        observers.Remove("quick");

        // An instance whose badges took long to read is left alone for a moment: more than one tick may be needed.
        async Task TouchAndRunAsync(Func<bool> done)
        {
            await _front.ScalarAsync<int>($"UPDATE wf.instances SET updated_at = clock_timestamp() WHERE id = '{id}' RETURNING 1");
            await Until.TrueAsync(
                async () =>
                {
                    await observers.RunOnceAsync(TestContext.Current.CancellationToken);
                    return done();
                },
                () => $"told slow {slow} and quick {quick} times", 30);
        }
    }

    private Task<HubClient> ConnectAsync() => HubClient.ConnectAsync(Url, _front.TokenOf(AuraRoles.Director));

    private static bool Has(JsonElement stats, string activityId) =>
        stats.GetProperty("stats").EnumerateArray().Any(s => s.GetProperty("activityId").GetString() == activityId);

    private static JsonElement Badge(JsonElement stats, string activityId) =>
        stats.GetProperty("stats").EnumerateArray().Single(s => s.GetProperty("activityId").GetString() == activityId);
}
