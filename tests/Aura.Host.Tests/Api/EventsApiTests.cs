using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Aura.Orchestra.Events;
using Aura.Orchestra.Storage;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Api;

public sealed class EventsApiTests(ApiHost host) : IClassFixture<ApiHost>
{
    [Fact]
    public async Task Follow_ResumedWithLastEventId_NeitherSkipsNorRepeats()
    {
        var prd = await host.SubmitAsync();
        for (var i = 0; i < 5; i++)
            await host.Db.CommitAsync(EventChanges.OfPrd(prd, "prd.step", new { n = i }), ApiHost.Cancel);
        var all = await ReadAsync($"/events?prd_id={prd}", 6);
        all.Select(e => e.EventType).ShouldBe(["prd.received", .. Enumerable.Repeat("prd.step", 5)]);
        for (var cut = 0; cut < 5; cut++)
        {
            (await ReadAsync($"/events?prd_id={prd}", 5 - cut, all[cut].EventId)).Select(e => e.EventId).ShouldBe(all.Skip(cut + 1).Select(e => e.EventId));
            (await ReadAsync($"/events?prd_id={prd}&after={all[cut].EventId}", 5 - cut)).Select(e => e.EventId).ShouldBe(all.Skip(cut + 1).Select(e => e.EventId));
        }

        var data = JsonElement.Parse(all[1].Data);
        data.GetProperty("id").GetString().ShouldBe(all[1].EventId);
        data.GetProperty("prd_id").GetString().ShouldBe(prd);
        data.GetProperty("type").GetString().ShouldBe("prd.step");
        data.GetProperty("data").GetProperty("n").GetInt32().ShouldBe(0);
        data.TryGetProperty("created_at", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task Follow_TransactionThatCommitsLate_ComesBeforeTheLaterOne()
    {
        var prd = await host.SubmitAsync();
        var received = await ReadAsync($"/events?prd_id={prd}", 1);
        await using var connection = await host.Db.OpenConnectionAsync(ApiHost.Cancel);
        await using var late = await connection.BeginTransactionAsync(ApiHost.Cancel);
        await using (var batch = new NpgsqlBatch(connection, late) { BatchCommands = { EventChanges.OfPrd(prd, "prd.late") } })
            await batch.ExecuteNonQueryAsync(ApiHost.Cancel);
        var reader = ReadAsync($"/events?prd_id={prd}", 2, received[0].EventId);
        await host.Db.CommitAsync(EventChanges.OfPrd(prd, "prd.early"), ApiHost.Cancel);
        await late.CommitAsync(ApiHost.Cancel);
        (await reader).Select(e => e.EventType).ShouldBe(["prd.late", "prd.early"]);
    }

    [Fact]
    public async Task Follow_WhatHappensMeanwhile_Arrives()
    {
        var prd = await host.SubmitAsync();
        var reader = ReadAsync($"/events?prd_id={prd}", 2);
        await host.Db.CommitAsync(EventChanges.OfPrd(prd, "prd.live"), ApiHost.Cancel);
        (await reader)[1].EventType.ShouldBe("prd.live");
    }

    [Fact]
    public async Task Follow_NothingHappens_ShowsThatItLives()
    {
        using var response = await host.Client.GetAsync("/events?after=now", HttpCompletionOption.ResponseHeadersRead, ApiHost.Cancel);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(ApiHost.Cancel));
        string? line;
        do
        {
            line = await reader.ReadLineAsync(ApiHost.Cancel);
            line.ShouldNotBeNull();
        }
        while (line != ": alive");
    }

    [Fact]
    public async Task Follow_HostStops_StreamEndsAtOnce()
    {
        await using var app = await host.StartAsync(host.Db.ConnectionString);
        using var client = ApiHost.ClientOf(app);
        using var response = await client.GetAsync("/events?after=now", HttpCompletionOption.ResponseHeadersRead, ApiHost.Cancel);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ApiHost.Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(10));
        await app.StopAsync(limit.Token);
        limit.IsCancellationRequested.ShouldBeFalse();
    }

    [Theory]
    [InlineData("/events?after=yesterday", "after")]
    [InlineData("/events?prd_id=x", "prd_id")]
    public async Task Follow_BadQuery_NamesTheField(string path, string field) =>
        (await host.GetAsync(path, 400)).GetProperty("errors").EnumerateObject().Single().Name.ShouldBe(field);

    [Fact]
    public async Task Follow_BadLastEventId_NamesTheHeader()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events");
        request.Headers.Add("Last-Event-ID", "41");
        var response = await host.Client.SendAsync(request, ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await ApiHost.JsonAsync(response)).GetProperty("errors").TryGetProperty("Last-Event-ID", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task Follow_UnknownPrd_Is404() => await host.GetAsync("/events?prd_id=prd-22222222", 404);

    private async Task<IReadOnlyList<SseItem<string>>> ReadAsync(string path, int count, string? lastEventId = null)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ApiHost.Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (lastEventId is not null)
            request.Headers.Add("Last-Event-ID", lastEventId);
        using var response = await host.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var seen = new List<SseItem<string>>();
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync(limit.Token)).EnumerateAsync(limit.Token))
        {
            seen.Add(item);
            if (seen.Count == count)
                break;
        }

        return seen;
    }
}
