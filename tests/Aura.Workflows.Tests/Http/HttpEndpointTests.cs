using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using Aura.Testing;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

public sealed class HttpEndpointTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private HttpHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await HttpHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Trigger_Request_StartsAndAnswers()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("hello")), Line("after")));

        var response = await _host.Client.GetAsync(_path);

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await response.Content.ReadAsStringAsync()).ShouldBe("hello");
        response.Content.Headers.ContentType!.ToString().ShouldBe("text/plain");
        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).SubStatus.ShouldBe(WorkflowSubStatus.Finished);
        (await _host.CountAsync("SELECT count(*) FROM wf.http_responses")).ShouldBe(0);
    }

    [Theory]
    [InlineData("routeData", """{"userid":"Ann b/é"}""")]
    [InlineData("queryStringData", """{"q":"a b&c","many":["1","2"]}""")]
    public async Task Trigger_PathAndQuery_ComeDecoded(string output, string expected)
    {
        await _host.PublishAsync(Sequence(Endpoint($"{_path}/{{UserId}}", Out(output, "v")), Answer(Variable("v"))), Variables("v"));

        // An encoded slash stays encoded, as in all of ASP.NET: it is no separator.
        var answer = await _host.Client.GetStringAsync($"{_path}/Ann%20b%2F%C3%A9?q=a%20b%26c&many=1&many=2");

        answer.Replace("%2F", "/", StringComparison.Ordinal).ShouldBe(expected);
    }

    [Fact]
    public async Task Trigger_Headers_ComeAsSent()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path, Out("headers", "v")), Answer(Variable("v"))), Variables("v"));
        using var request = new HttpRequestMessage(HttpMethod.Get, _path);
        request.Headers.Add("User-Agent", "Test/1.0");
        request.Headers.Add("Authorization", "Bearer theirs");

        var answer = await (await _host.Client.SendAsync(request)).Content.ReadFromJsonAsync<Dictionary<string, string[]>>();

        answer!["User-Agent"].ShouldBe(["Test/1.0"]);
        answer["Authorization"].ShouldBe(["Bearer theirs"]);
    }

    [Theory]
    [InlineData("""{"Name":"Ann","n":[1,2.5,null,true]}""", "application/json", """{"Name":"Ann","n":[1,2.5,null,true]}""")]
    [InlineData("""{"a":1}""", "application/problem+json; charset=utf-8", """{"a":1}""")]
    [InlineData("just text", "text/plain", "just text")]
    [InlineData("<a>1</a>", "application/xml", "<a>1</a>")]
    [InlineData("a=1&b=x+y&b=%C3%A9", "application/x-www-form-urlencoded", """{"a":"1","b":["x y","é"]}""")]
    public async Task Post_Body_IsParsedByItsContentType(string body, string contentType, string expected)
    {
        await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("parsedContent", "v")), Answer(Variable("v"))), Variables("v"));
        using var content = new StringContent(body);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);

        (await (await _host.Client.PostAsync(_path, content)).Content.ReadAsStringAsync()).ShouldBe(expected);
    }

    [Fact]
    public async Task Post_EmptyJsonBody_IsNull()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("parsedContent", "v")), Answer(Text("ok"))), Variables("v"));
        using var content = new ByteArrayContent([]);
        content.Headers.ContentType = new("application/json");

        (await _host.Client.PostAsync(_path, content)).StatusCode.ShouldBe(HttpStatusCode.OK);

        var state = await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished);
        state.ActivityOutputs["in"]["ParsedContent"].ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
    }

    [Theory]
    [InlineData("{\"a\":", "application/json", 400)]
    [InlineData("{\"a\":1,\"a\":2}", "application/json", 400)]
    [InlineData("[1e999]", "application/json", 400)]
    [InlineData("[\"\\u0000\"]", "application/json", 400)]
    [InlineData("[\"\\ud800\"]", "application/json", 400)]
    [InlineData("\ud83d\ude00\0", "text/plain", 400)]
    [InlineData("x", "text/plain; charset=klingon", 415)]
    [InlineData("--x\r\nfoo", "multipart/form-data", 400)]
    [InlineData("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nno end", "multipart/form-data; boundary=x", 400)]
    public async Task Post_BrokenBody_IsRefusedAndStartsNothing(string body, string contentType, int status)
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST")), Answer(Text("ok"))));
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", contentType);

        var response = await _host.Client.PostAsync(_path, content);

        ((int)response.StatusCode).ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await _host.CountInstancesAsync(id)).ShouldBe(0);
    }

    [Theory]
    [InlineData(30, 200)]
    [InlineData(40, 400)]
    public async Task Post_DeepJson_NeverPoisonsTheInstance(int depth, int status)
    {
        await _host.PublishAsync(Sequence(
            Endpoint(_path, Methods("POST") + "," + Out("parsedContent", "v")), Answer(Text("ok")), Wait(_path + "/next"), Answer(Variable("v"))), Variables("v"));
        var body = new string('[', depth) + new string(']', depth);
        using var content = new StringContent(body, Encoding.UTF8, "application/json");

        ((int)(await _host.Client.PostAsync(_path, content)).StatusCode).ShouldBe(status);

        // The state has been written and read again: the body survived.
        if (status == 200)
            (await _host.Client.GetStringAsync(_path + "/next")).ShouldBe(body);
    }

    [Fact]
    public async Task Post_LargeBody_ArrivesWhole()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("parsedContent", "v")), Answer(Variable("v"))), Variables("v"));
        var text = string.Concat(Enumerable.Range(0, 400_000).Select(i => (i % 10_000).ToString("D4")));

        var response = await _host.Client.PostAsync(_path, new StringContent(text));

        (await response.Content.ReadAsStringAsync()).ShouldBe(text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Post_TooLarge_Is413WithAndWithoutContentLength(bool announced)
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + """, "requestSizeLimit":100 """), Answer(Text("ok"))));
        using var request = new HttpRequestMessage(HttpMethod.Post, _path) { Content = new StringContent(new string('x', 101)) };
        request.Headers.TransferEncodingChunked = !announced;

        (await _host.Client.SendAsync(request)).StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        (await _host.CountInstancesAsync(id)).ShouldBe(0);

        (await _host.Client.PostAsync(_path, new StringContent(new string('x', 100)))).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Post_TooLargeAndExposed_TakesTheOutcome()
    {
        await _host.PublishAsync(Flow(
            [
                Endpoint(_path, Methods("POST") + """, "requestSizeLimit":10, "exposeRequestTooLargeOutcome":true """),
                Answer(Text("fits"), id: "fits"), Answer(Text("too large"), id: "large"),
            ],
            "in->fits", "in:Request too large->large"));

        (await (await _host.Client.PostAsync(_path, new StringContent(new string('x', 50)))).Content.ReadAsStringAsync()).ShouldBe("too large");
        (await (await _host.Client.PostAsync(_path, new StringContent("x"))).Content.ReadAsStringAsync()).ShouldBe("fits");
    }

    [Fact]
    public async Task Multipart_FieldsAndFiles_Arrive()
    {
        var outputs = string.Join(',', Methods("POST"), Out("parsedContent", "fields"), Out("files", "files"));
        await _host.PublishAsync(
            Sequence(Endpoint(_path, outputs), Answer(Variable("files")), Wait(_path + "/f"), Answer(Variable("fields"))), Variables("fields", "files"));
        using var form = new MultipartFormDataContent
        {
            { new StringContent("Ann"), "name" },
            { File("hello", "text/plain"), "doc", "../../etc/a.txt" },
            { File("", "image/png"), "doc", "empty.png" },
        };

        var files = await (await _host.Client.PostAsync(_path, form)).Content.ReadFromJsonAsync<List<Dictionary<string, System.Text.Json.JsonElement>>>();

        files!.Select(f => $"{f["Name"]} {f["FileName"]} {f["ContentType"]} {f["Length"]} {f["Content"]}")
            .ShouldBe([$"doc a.txt text/plain 5 {Convert.ToBase64String("hello"u8)}", "doc empty.png image/png 0 "]);
        (await _host.Client.GetStringAsync(_path + "/f")).ShouldBe("""{"name":"Ann"}""");
    }

    [Theory]
    [InlineData(""" "allowedFileExtensions":["pdf",".TXT"] """, "a.Txt", "text/plain", 200)]
    [InlineData(""" "allowedFileExtensions":["pdf"] """, "a.txt", "text/plain", 415)]
    [InlineData(""" "allowedFileExtensions":["pdf"] """, "pdf", "text/plain", 415)]
    [InlineData(""" "blockedFileExtensions":[".exe"] """, "a.txt", "text/plain", 200)]
    [InlineData(""" "blockedFileExtensions":[".exe"] """, "a.txt.EXE", "text/plain", 415)]
    [InlineData(""" "blockedFileExtensions":[".exe"] """, "a.exe. .", "text/plain", 415)]
    [InlineData(""" "allowedMimeTypes":["image/*","text/plain"] """, "a.txt", "text/plain; charset=utf-8", 200)]
    [InlineData(""" "allowedMimeTypes":["image/*"] """, "a.png", "text/html", 415)]
    [InlineData(""" "fileSizeLimit":3 """, "a.txt", "text/plain", 413)]
    [InlineData(""" "fileSizeLimit":5 """, "a.txt", "text/plain", 200)]
    public async Task Multipart_FileRules_AreKept(string rule, string fileName, string contentType, int status)
    {
        var (member, json) = (rule.Split(':')[0], rule.Split(':')[1]);
        var input = json.Contains('[') ? Object(json.Trim()) : json;
        var id = await _host.PublishAsync(Sequence(Endpoint(_path, $"{Methods("POST")},{member}:{input}"), Answer(Text("ok"))));
        using var form = new MultipartFormDataContent { { File("hello", contentType), "doc", fileName } };

        ((int)(await _host.Client.PostAsync(_path, form)).StatusCode).ShouldBe(status);
        (await _host.CountInstancesAsync(id)).ShouldBe(status == 200 ? 1 : 0);
    }

    [Theory]
    [InlineData("exposeFileTooLargeOutcome", "fileSizeLimit", "3", "File too large")]
    [InlineData("exposeInvalidFileExtensionOutcome", "allowedFileExtensions", "\"pdf\"", "Invalid file extension")]
    [InlineData("exposeInvalidFileMimeTypeOutcome", "allowedMimeTypes", "\"image/png\"", "Invalid file MIME type")]
    public async Task Multipart_BrokenRuleExposed_TakesTheOutcome(string flag, string rule, string value, string outcome)
    {
        await _host.PublishAsync(Flow(
            [Endpoint(_path, $"{Methods("POST")},\"{rule}\":{value},\"{flag}\":true"), Answer(Text("done"), id: "done"), Answer(Text(outcome), id: "breach")],
            "in->done", $"in:{outcome}->breach"));
        using var form = new MultipartFormDataContent { { File("hello", "text/plain"), "doc", "a.txt" } };

        (await (await _host.Client.PostAsync(_path, form)).Content.ReadAsStringAsync()).ShouldBe(outcome);
    }

    [Fact]
    public async Task Post_UnknownContentType_IsOneFile()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path, Methods("POST") + "," + Out("file", "v")), Answer(Variable("v"))), Variables("v"));

        var response = await _host.Client.PostAsync(_path, File("\u0001\u0002", "application/octet-stream"));

        (await response.Content.ReadAsStringAsync()).ShouldContain(Convert.ToBase64String([1, 2]));
    }

    private static ByteArrayContent File(string text, string contentType)
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(text));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return content;
    }
}
