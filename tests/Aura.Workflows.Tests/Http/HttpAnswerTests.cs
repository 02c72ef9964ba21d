using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using Aura.Testing;
using Aura.Workflows.Http;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

public sealed class HttpAnswerTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private HttpHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await HttpHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Theory]
    [InlineData("\"plain\"", "", "plain", "text/plain")]
    [InlineData("\"{\\\"a\\\":1}\"", "", "{\"a\":1}", "application/json")]
    [InlineData("\"{not json\"", "", "{not json", "text/plain")]
    [InlineData("\"<p/>\"", "text/html", "<p/>", "text/html")]
    [InlineData("5", "", "5", "application/json")]
    public async Task Answer_Content_DecidesItsType(string content, string contentType, string body, string expected)
    {
        var response = await SendAsync(Answer(content, contentType.Length > 0 ? $"\"contentType\":\"{contentType}\"" : ""));

        (await response.Content.ReadAsStringAsync()).ShouldBe(body);
        // As it was set: no charset is added.
        response.Content.Headers.ContentType!.ToString().ShouldBe(expected);
    }

    [Fact]
    public async Task Answer_Object_IsJson()
    {
        var response = await SendAsync(Answer(Object("""{"a":[1,"é"]}""")));

        (await response.Content.ReadAsStringAsync()).ShouldBe("""{"a":[1,"é"]}""");
        response.Content.Headers.ContentType!.ToString().ShouldBe("application/json");
    }

    [Theory]
    [InlineData("\"NoContent\"", 204, "")]
    [InlineData("\"NotModified\"", 304, "")]
    [InlineData("\"NotFound\"", 404, "body")]
    [InlineData("418", 418, "body")]
    public async Task Answer_Status_DecidesAboutTheBody(string statusCode, int status, string body)
    {
        var response = await SendAsync(Answer(Text("body"), $"\"statusCode\":{statusCode}"));

        ((int)response.StatusCode).ShouldBe(status);
        (await response.Content.ReadAsStringAsync()).ShouldBe(body);
    }

    [Fact]
    public async Task Answer_EmptyWithErrorStatus_IsNotExplainedByTheHost()
    {
        var response = await SendAsync($$"""{"type":"Elsa.WriteHttpResponse","statusCode":"NotFound"}""");

        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await response.Content.ReadAsStringAsync()).ShouldBe("");
    }

    [Fact]
    public async Task Answer_Headers_AreSentButNotThoseOfTheConnection()
    {
        var headers = Object("""{"X-A":"1","X-B":["2","3"],"Content-Length":"99","Connection":"close","Transfer-Encoding":"chunked"}""");
        var response = await SendAsync(Answer(Text("abc"), $""" "responseHeaders":{headers} """));

        response.Headers.GetValues("X-A").ShouldBe(["1"]);
        response.Headers.GetValues("X-B").ShouldBe(["2", "3"]);
        response.Content.Headers.ContentLength.ShouldBe(3);
        (await response.Content.ReadAsStringAsync()).ShouldBe("abc");
    }

    [Theory]
    [InlineData("""{"X-A":"1\r\nSet-Cookie: x=y"}""")]
    [InlineData("""{"X A":"1"}""")]
    public async Task Answer_HeaderThatCannotBeSent_IsAnIncident(string headers)
    {
        var response = await SendAsync(Answer(Text("abc"), $""" "responseHeaders":{Object(headers)} """));

        response.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        response.Headers.Contains("Set-Cookie").ShouldBeFalse();
    }

    [Theory]
    [InlineData(101)]
    [InlineData(600)]
    public void Of_ImpossibleStatus_IsRefused(int status) =>
        Should.Throw<ArgumentException>(() => HttpAnswers.Of(status, "x", null, [])).Message.ShouldContain("200 to 599");

    [Fact]
    public async Task Answer_Twice_TheLastOfTheBurstCounts()
    {
        var response = await SendAsync(Answer(Text("first")), Answer(Text("second")));

        (await response.Content.ReadAsStringAsync()).ShouldBe("second");
    }

    [Fact]
    public async Task File_Bytes_CanBeAskedForInPart()
    {
        await PublishAsync(File(Text("0123456789"), """ "filename":"a \"b\" é.txt","entityTag":"v1","enableResumableDownloads":true """));
        using var part = new HttpRequestMessage(HttpMethod.Get, _path) { Headers = { Range = new(2, 4) } };
        using var known = new HttpRequestMessage(HttpMethod.Get, _path) { Headers = { IfNoneMatch = { new("\"v1\"") } } };

        var whole = await _host.Client.GetAsync(_path);
        (await whole.Content.ReadAsStringAsync()).ShouldBe("0123456789");
        whole.Content.Headers.ContentDisposition!.FileNameStar.ShouldBe("a \"b\" é.txt");
        whole.Headers.ETag!.Tag.ShouldBe("\"v1\"");

        var partial = await _host.Client.SendAsync(part);
        partial.StatusCode.ShouldBe(HttpStatusCode.PartialContent);
        (await partial.Content.ReadAsStringAsync()).ShouldBe("234");

        (await _host.Client.SendAsync(known)).StatusCode.ShouldBe(HttpStatusCode.NotModified);
    }

    [Fact]
    public async Task File_Nothing_Is204() => (await SendAsync("""{"type":"Elsa.WriteFileHttpResponse"}""")).StatusCode.ShouldBe(HttpStatusCode.NoContent);

    [Fact]
    public async Task File_UploadedFile_ComesBackAsItWas()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("file", "v")), File(Variable("v"))), Variables("v"));
        using var form = new MultipartFormDataContent();
        using var content = new ByteArrayContent([0, 1, 2, 255]);
        content.Headers.ContentType = new("image/png");
        form.Add(content, "picture", "p.png");

        var response = await _host.Client.PostAsync(_path, form);

        (await response.Content.ReadAsByteArrayAsync()).ShouldBe([0, 1, 2, 255]);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("image/png");
        response.Content.Headers.ContentDisposition!.FileName.ShouldBe("p.png");
    }

    [Fact]
    public async Task File_List_IsAnArchiveWhoseEntriesStayInside()
    {
        var list = """["one",{"FileName":"../../evil.sh","Content":"eA=="},{"FileName":"evil.sh","Content":"eQ=="},{"FileName":"..","Content":"eg=="}]""";
        var response = await SendAsync(File(Object(list)));

        using var archive = new ZipArchive(await response.Content.ReadAsStreamAsync());
        archive.Entries.Select(e => e.FullName).ShouldBe(["file-1.txt", "evil.sh", "3-evil.sh", "4-"]);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/zip");
    }

    private static string File(string content, string more = "") =>
        $$"""{"type":"Elsa.WriteFileHttpResponse",{{(more.Length > 0 ? more + "," : "")}}"content":{{content}} }""";

    private Task<string> PublishAsync(params string[] activities) => _host.PublishAsync(Sequence([Endpoint(_path), .. activities]));

    private async Task<HttpResponseMessage> SendAsync(params string[] activities)
    {
        await PublishAsync(activities);
        return await _host.Client.GetAsync(_path);
    }
}

public sealed class HttpEndpointPayloadTests
{
    [Theory]
    [InlineData("/Orders//{Id}/", "orders/{id}")]
    [InlineData("", "")]
    [InlineData(null, "")]
    [InlineData("/a/{Id:regex(^[[A-Z]]/x$)}/B", "a/{id:regex(^[[A-Z]]/x$)}/b")]
    [InlineData("{Kind=All}/{Rest?}", "{kind=All}/{rest?}")]
    public void NormalisePath_AnyForm_IsOneForm(string? path, string expected) => HttpEndpointPayload.NormalisePath(path).ShouldBe(expected);

    [Fact]
    public void NormalisePath_TooLong_IsRefused() => Should.Throw<ArgumentException>(() => HttpEndpointPayload.NormalisePath(new string('a', 501)));

    [Fact]
    public void Hash_Rules_TakeNoPart()
    {
        var bare = new HttpEndpointPayload { Path = "a", Method = "get" };
        var ruled = bare with { Authorize = true, Policy = "p", RequestSizeLimit = 5, AllowedMimeTypes = ["x/y"], RequestTimeout = TimeSpan.FromSeconds(1) };

        StimulusHash.Of("n", ruled).ShouldBe(StimulusHash.Of("n", bare));
        StimulusHash.Of("n", bare with { Method = "post" }).ShouldNotBe(StimulusHash.Of("n", bare));
        StimulusHash.Of("n", bare with { Path = "b" }).ShouldNotBe(StimulusHash.Of("n", bare));
    }

    [Theory]
    [InlineData(200, true, WorkflowStatus.Finished, WorkflowSubStatus.Finished, false, false, false)]
    [InlineData(null, true, WorkflowStatus.Running, WorkflowSubStatus.Pending, false, false, false)]
    [InlineData(null, false, WorkflowStatus.Running, WorkflowSubStatus.Pending, true, false, false)]
    [InlineData(0, false, WorkflowStatus.Running, WorkflowSubStatus.Executing, true, false, false)]
    [InlineData(0, false, WorkflowStatus.Running, WorkflowSubStatus.Suspended, false, true, false)]
    [InlineData(0, false, WorkflowStatus.Running, WorkflowSubStatus.Suspended, true, false, true)]
    [InlineData(0, false, WorkflowStatus.Running, WorkflowSubStatus.Suspended, false, false, true)]
    [InlineData(null, false, WorkflowStatus.Running, WorkflowSubStatus.Suspended, true, false, false)]
    [InlineData(null, false, WorkflowStatus.Running, WorkflowSubStatus.Suspended, false, false, true)]
    [InlineData(null, false, WorkflowStatus.Finished, WorkflowSubStatus.Cancelled, false, true, true)]
    [InlineData(null, false, null, null, false, false, true)]
    public void IsOver_State_SaysWhetherAnAnswerMayStillCome(
        int? response, bool pending, WorkflowStatus? status, WorkflowSubStatus? subStatus, bool owned, bool hasWork, bool expected) =>
        new HttpRequestState(response, pending, status, subStatus, owned, hasWork).IsOver.ShouldBe(expected);
}
