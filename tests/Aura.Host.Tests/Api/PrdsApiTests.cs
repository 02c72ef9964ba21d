using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Orchestra.Archive;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;

namespace Aura.Host.Tests.Api;

public sealed class PrdsApiTests(ApiHost host) : IClassFixture<ApiHost>
{
    [Fact]
    public async Task Submit_GoodRequest_StoresPrdStartAndAuditTogether()
    {
        var (response, body) = await host.PostAsync("/prds", """
            {"project_id":"demo","title":"Add OAuth","tasks":[{"id":"a","title":"A","payload":{"path":"auth"}}]}
            """);
        response.StatusCode.ShouldBe(HttpStatusCode.Created);
        var id = body.GetProperty("id").GetString()!;
        response.Headers.Location!.ToString().ShouldBe($"/prds/{id}");
        body.GetProperty("status").GetString().ShouldBe("RECEIVED");
        (await host.ScalarAsync<string>($"SELECT payload->'input'->>'PrdId' FROM workflow_calls WHERE name = 'prd-pipeline' AND payload->>'correlationId' = '{id}'"))
            .ShouldBe(id);
        (await host.ScalarAsync<string>($"SELECT actor FROM aura.audit_logs WHERE action = 'prd.submit' AND prd_id = '{id}'")).ShouldBe("director");

        var shown = await host.GetAsync($"/prds/{id}");
        shown.GetProperty("workflow_instance_id").GetString().ShouldBe($"wf-{id}");
        shown.GetProperty("tasks")[0].GetProperty("payload").GetProperty("path").GetString().ShouldBe("auth");
        shown.GetProperty("jobs").GetArrayLength().ShouldBe(0);
        shown.GetProperty("archive").ValueKind.ShouldBe(JsonValueKind.Null);
        shown.GetProperty("tests_before").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public async Task Submit_SameKeySameBody_IsOnePrd()
    {
        const string Body = """{"project_id":"demo","title":"Once"}""";
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => host.PostAsync("/prds", Body, "key-once")));
        answers.ShouldAllBe(a => a.Response.StatusCode == HttpStatusCode.Created);
        answers.Select(a => a.Body.GetProperty("id").GetString()).Distinct().Count().ShouldBe(1);
        answers.Count(a => a.Response.Headers.Contains("Idempotent-Replayed")).ShouldBe(5);
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.prds WHERE title = 'Once'")).ShouldBe(1);
        var id = answers[0].Body.GetProperty("id").GetString();
        (await host.ScalarAsync<long>($"SELECT count(*) FROM workflow_calls WHERE payload->>'correlationId' = '{id}'")).ShouldBe(1);
    }

    [Fact]
    public async Task Submit_SameKeyOtherBody_Is422()
    {
        await host.PostAsync("/prds", """{"project_id":"demo","title":"One"}""", "key-two");
        var (response, body) = await host.PostAsync("/prds", """{"project_id":"demo","title":"Two"}""", "key-two");
        response.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        body.GetProperty("errors").GetProperty("Idempotency-Key").GetArrayLength().ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"project_id":"nowhere","title":"T"}""", "project_id")]
    [InlineData("""{"project_id":"demo","title":5}""", "title")]
    [InlineData("""{"project_id":"demo","title":"T","tasks":[{"title":"A"},{"title":"B","depends_on":["C"]}]}""", "tasks[1].depends_on[0]")]
    [InlineData("""{"project_id":""", "$")]
    [InlineData("[]", "$")]
    public async Task Submit_BadRequest_IsAProblemThatNamesTheField(string json, string field)
    {
        var (response, body) = await host.PostAsync("/prds", json);
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        body.GetProperty("status").GetInt32().ShouldBe(400);
        body.GetProperty("title").GetString().ShouldNotBeNullOrEmpty();
        body.GetProperty("detail").GetString()!.ShouldContain(field);
        body.GetProperty("errors").EnumerateObject().Select(p => p.Name).ShouldBe([field]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Submit_OversizedBody_Is413(bool chunked)
    {
        var text = $$"""{"project_id":"demo","title":"T","description":"{{new string('x', 1 << 20)}}"}""";
        using var request = new HttpRequestMessage(HttpMethod.Post, "/prds")
        {
            Content = new StringContent(text, Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        request.Headers.TransferEncodingChunked = chunked;
        var response = await host.Client.SendAsync(request, ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await ApiHost.JsonAsync(response)).GetProperty("detail").GetString()!.ShouldContain("1048576");
    }

    [Fact]
    public async Task Submit_NotJson_Is415()
    {
        using var content = new StringContent("title=T", Encoding.UTF8, "application/x-www-form-urlencoded");
        (await host.Client.PostAsync("/prds", content, ApiHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.UnsupportedMediaType);
    }

    [Fact]
    public async Task Submit_BadIdempotencyKey_Is400()
    {
        var (response, body) = await host.PostAsync("/prds", """{"project_id":"demo","title":"T"}""", "with space");
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("errors").TryGetProperty("Idempotency-Key", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task List_ByPages_EveryOneOnce()
    {
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
            ids.Insert(0, await host.SubmitAsync($"Paged {i}"));
        var first = await host.GetAsync("/prds?limit=2&project_id=demo&status=RECEIVED");
        var cursor = first.GetProperty("next_cursor").GetString();
        cursor.ShouldNotBeNull();
        var second = await host.GetAsync($"/prds?limit=200&cursor={cursor}");
        second.GetProperty("next_cursor").ValueKind.ShouldBe(JsonValueKind.Null);
        var seen = first.GetProperty("items").EnumerateArray().Concat(second.GetProperty("items").EnumerateArray())
            .Select(i => i.GetProperty("id").GetString()!).ToList();
        seen.Distinct().Count().ShouldBe(seen.Count);
        seen.Where(ids.Contains).ShouldBe(ids);
    }

    [Theory]
    [InlineData("/prds?limit=0", "limit")]
    [InlineData("/prds?limit=many", "limit")]
    [InlineData("/prds?cursor=-1", "cursor")]
    [InlineData("/prds?status=DONE", "status")]
    [InlineData("/jobs?status=queued", "status")]
    [InlineData("/jobs?prd_id=7", "prd_id")]
    [InlineData("/archive?limit=1000", "limit")]
    public async Task List_BadQuery_NamesTheField(string path, string field) =>
        (await host.GetAsync(path, 400)).GetProperty("errors").EnumerateObject().Single().Name.ShouldBe(field);

    [Fact]
    public async Task Approve_TheShownDiff_MergesWithAuditAndStimulusOnce()
    {
        var id = await AwaitingAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h1"}""")));
        answers.Count(a => a.Response.StatusCode == HttpStatusCode.OK).ShouldBe(1);
        answers.Count(a => a.Response.StatusCode == HttpStatusCode.Conflict).ShouldBe(4);
        (await host.GetAsync($"/prds/{id}")).GetProperty("status").GetString().ShouldBe("MERGING");
        (await host.ScalarAsync<string>($"""
            SELECT concat_ws(' ', count(*), min(payload->'input'->>'Decision'), min(payload->'input'->>'DiffHash'), min(payload->'input'->>'Actor'))
            FROM workflow_calls WHERE name = 'Aura.DirectorDecision' AND payload->'payload'->>'PrdId' = '{id}'
            """)).ShouldBe("1 approve h1 director");
        (await host.ScalarAsync<long>($"SELECT count(*) FROM aura.audit_logs WHERE action = 'prd.approve' AND prd_id = '{id}'")).ShouldBe(1);
    }

    [Fact]
    public async Task Approve_ChangedDiff_Is409AndNothingHappens()
    {
        var id = await AwaitingAsync();
        var (response, body) = await host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h0"}""");
        response.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        body.GetProperty("detail").GetString()!.ShouldContain("h1");
        body.GetProperty("diff_hash").GetString().ShouldBe("h1");
        (await host.GetAsync($"/prds/{id}")).GetProperty("status").GetString().ShouldBe("AWAITING_APPROVAL");
        (await host.ScalarAsync<long>($"SELECT count(*) FROM workflow_calls WHERE payload->'payload'->>'PrdId' = '{id}'")).ShouldBe(0);
        (await host.ScalarAsync<long>($"SELECT count(*) FROM aura.audit_logs WHERE action = 'prd.approve' AND prd_id = '{id}'")).ShouldBe(0);
    }

    [Fact]
    public async Task Approve_StimulusCannotBeWritten_DecisionIsRolledBack()
    {
        var id = await AwaitingAsync();
        await host.ExecuteAsync($"ALTER TABLE workflow_calls ADD CONSTRAINT refuse CHECK (payload->'payload'->>'PrdId' IS DISTINCT FROM '{id}')");
        (await host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h1"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await host.GetAsync($"/prds/{id}")).GetProperty("status").GetString().ShouldBe("AWAITING_APPROVAL");
        await host.ExecuteAsync("ALTER TABLE workflow_calls DROP CONSTRAINT refuse");
        (await host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h1"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("approve", "{}", "diff_hash")]
    [InlineData("approve", """{"diff_hash":7}""", "diff_hash")]
    [InlineData("approve", """{"diff_hash":"h1","force":true}""", "force")]
    [InlineData("reject", "{}", "reason")]
    [InlineData("reject", """{"reason":""}""", "reason")]
    public async Task Decide_BadBody_NamesTheField(string decision, string json, string field)
    {
        var id = await AwaitingAsync();
        var (response, body) = await host.PostAsync($"/prds/{id}/{decision}", json);
        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        body.GetProperty("errors").EnumerateObject().Single().Name.ShouldBe(field);
    }

    [Fact]
    public async Task Reject_WithReason_IsRejectedAndTold()
    {
        var id = await AwaitingAsync();
        (await host.PostAsync($"/prds/{id}/reject", """{"reason":"too big","diff_hash":"other"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await host.PostAsync($"/prds/{id}/reject", """{"reason":"too big"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var shown = await host.GetAsync($"/prds/{id}");
        (shown.GetProperty("status").GetString(), shown.GetProperty("status_reason").GetString()).ShouldBe(("REJECTED", "too big"));
        (await host.ScalarAsync<string>($"SELECT payload->'input'->>'Reason' FROM workflow_calls WHERE payload->'payload'->>'PrdId' = '{id}'")).ShouldBe("too big");
        (await host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h1"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Unknown_Prd_Is404()
    {
        (await host.GetAsync("/prds/prd-22222222", 404)).GetProperty("detail").GetString()!.ShouldContain("prd-22222222");
        (await host.PostAsync("/prds/prd-22222222/approve", """{"diff_hash":"h"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await host.PostAsync("/prds/any%20thing/reject", """{"reason":"r"}""")).Response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Show_ArchivedPrd_TellsWhereItIsKept()
    {
        var id = await AwaitingAsync();
        await host.PostAsync($"/prds/{id}/approve", """{"diff_hash":"h1"}""");
        await host.Db.CommitAsync([PrdChanges.Merged(id, "m1"), .. ArchiveStore.Archive(id)], ApiHost.Cancel);
        var shown = await host.GetAsync($"/prds/{id}");
        shown.GetProperty("status").GetString().ShouldBe("ARCHIVED");
        shown.GetProperty("merge_commit").GetString().ShouldBe("m1");
        shown.GetProperty("diff").GetString().ShouldBe("+x\n");
        shown.GetProperty("tests_after").GetProperty("passed").GetInt32().ShouldBe(14);
        shown.GetProperty("jobs")[0].GetProperty("title").GetString().ShouldBe("Job");
        var kept = (await host.GetAsync("/archive?limit=1")).GetProperty("items")[0];
        kept.GetProperty("id").GetString().ShouldBe(shown.GetProperty("archive").GetProperty("id").GetString());
        kept.GetProperty("retention_until").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddDays(364));
        kept.GetProperty("jobs").GetInt32().ShouldBe(1);
    }

    private async Task<string> AwaitingAsync()
    {
        var id = await host.SubmitAsync();
        (await host.Db.CommitAsync([
            PrdChanges.Planned(id), JobChanges.Insert(id, [new() { Key = "a", Title = "Job" }]), PrdChanges.Running(id),
            PrdChanges.AwaitingApproval(id, "c1", "+x\n", "h1", new(12, 2, 0), new(14, 0, 0))], ApiHost.Cancel)).ShouldAllBe(rows => rows == 1);
        return id;
    }
}
