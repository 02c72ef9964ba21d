using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Aura.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

/// <summary>Requests that workflows send, to a server that tells what it got.</summary>
public sealed class HttpSendTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private readonly TaskCompletionSource _silence = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private HttpHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await HttpHost.StartAsync(
        database.ConnectionString, o => (o.OutgoingTimeout, o.MaxAnswerBytes) = (TimeSpan.FromSeconds(2), 10_000), map: Map);

    public ValueTask DisposeAsync()
    {
        _silence.TrySetResult();
        return _host.DisposeAsync();
    }

    [Fact]
    public async Task Send_Json_EchoesMethodBodyAndHeaders()
    {
        var (content, headers) = (Literal("""{"a":1}"""), Literal("""{"X-One":"1","X-Two":["a","b"]}"""));
        var echo = await ResultAsync(Send(
            "/echo", $""" "method":"post","content":{content},"contentType":"application/json" """,
            $""" "authorization":"Bearer t","requestHeaders":{headers} """, Out("parsedContent", "v")));

        echo.GetProperty("method").GetString().ShouldBe("POST");
        echo.GetProperty("body").GetString().ShouldBe("""{"a":1}""");
        echo.GetProperty("type").GetString().ShouldBe("application/json");
        echo.GetProperty("authorization").GetString().ShouldBe("BEARER T");
        echo.GetProperty("one").GetString().ShouldBe("1");
        echo.GetProperty("two").GetString().ShouldBe("a,b");
        (await _host.CountAsync("SELECT count(*) FROM wf.history WHERE entries::text LIKE '%Bearer t%'")).ShouldBe(0);
    }

    [Fact]
    public async Task Send_Form_IsEncoded()
    {
        var echo = await ResultAsync(Send(
            "/echo", $""" "method":"PUT","content":{Literal("""{"a b":"c&d"}""")},"contentType":"application/x-www-form-urlencoded" """, Out("parsedContent", "v")));

        echo.GetProperty("body").GetString().ShouldBe("a+b=c%26d");
    }

    [Fact]
    public async Task Send_ContentWithoutContentType_IsNotSent()
    {
        var echo = await ResultAsync(Send("/echo", """ "method":"POST","content":"x" """, Out("parsedContent", "v")));

        echo.GetProperty("body").GetString().ShouldBe("");
    }

    [Theory]
    [InlineData("/status/200", "200 Done")]
    [InlineData("/status/404", "404 Done")]
    [InlineData("/status/500", "Unmatched status code Done")]
    public async Task FlowSend_StatusCode_IsAnOutcome(string path, string expected)
    {
        var names = new[] { "200", "404", "Unmatched status code", "Done" };
        (await OutcomesAsync(Send(path, $""" "expectedStatusCodes":{Object("[200,404]")} """), names)).ShouldBe(expected);
    }

    [Theory]
    [InlineData("/status/200", "200 Done")]
    [InlineData("/status/404", "Unmatched status code Done")]
    public async Task FlowSend_ExpectedCodesUnset_Expects200(string path, string expected) =>
        (await OutcomesAsync(Send(path, ""), "200", "404", "Unmatched status code", "Done")).ShouldBe(expected);

    [Fact]
    public async Task FlowSend_NothingExpected_IsOnlyDone() =>
        (await OutcomesAsync(Send("/status/500", $""" "expectedStatusCodes":{Object("[]")} """), "Unmatched status code", "500", "Done")).ShouldBe("Done");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task FlowSend_NobodyListens_FailsToConnect(bool asTask) =>
        (await OutcomesAsync(SendTo($"http://127.0.0.1:{FreePort()}/", AsTask(asTask)), "Failed to connect", "Done")).ShouldBe("Failed to connect");

    [Fact]
    public async Task FlowSend_NoAnswer_TimesOut() =>
        (await OutcomesAsync(Send("/silent", ""), "Timeout", "Failed to connect", "Done")).ShouldBe("Timeout");

    [Fact]
    public async Task FlowSend_AsDurableTask_SetsItsOutputs()
    {
        var echo = await ResultAsync(Send("/echo", AsTask(true), Out("parsedContent", "v")));

        echo.GetProperty("method").GetString().ShouldBe("GET");
    }

    [Fact]
    public async Task FlowSend_AnswerTooLarge_IsAnIncidentNotAFailureToConnect()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Send("/large", "")));

        (await _host.Client.GetAsync(_path)).StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        (await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished)).Incidents.ShouldHaveSingleItem().ActivityType.ShouldBe("Elsa.FlowSendHttpRequest");
    }

    [Theory]
    [InlineData("/text", "text/plain", "\"plain\"")]
    [InlineData("/broken-json", "application/json", "\"{\\\"a\\\":\"")]
    [InlineData("/chunked", "application/json", "{\"a\":1}")]
    [InlineData("/nul", "text/plain", "\"a\uFFFDb\"")]
    public async Task Send_Answer_IsParsedOrComesAsText(string path, string contentType, string expected)
    {
        var value = await ResultAsync(Send(path, "", Out("parsedContent", "v")));
        JsonElement.DeepEquals(value, JsonSerializer.Deserialize<JsonElement>(expected)).ShouldBeTrue(value.ToString());

        var result = await ResultAsync(Send(path, "", Out("result", "v")));
        result.GetProperty("ContentType").GetString().ShouldBe(contentType);
        result.GetProperty("StatusCode").GetInt32().ShouldBe(200);
    }

    [Theory]
    [InlineData("/status/404", "case 404")]
    [InlineData("/status/200", "case 200")]
    [InlineData("/status/500", "unmatched")]
    [InlineData("/silent", "timeout")]
    public async Task SendWithPorts_StatusCode_RunsItsActivity(string path, string expected)
    {
        var send = $$"""
            {"type":"Elsa.SendHttpRequest","url":"{{_host.Url}}{{path}}",
             "expectedStatusCodes":[{"statusCode":200,"activity":{{Answer(Text("case 200"))}}},{"statusCode":404,"activity":{{Answer(Text("case 404"))}}}],
             "unmatchedStatusCode":{{Answer(Text("unmatched"))}},"failedToConnect":{{Answer(Text("failed"))}},"timeout":{{Answer(Text("timeout"))}} }
            """;
        var path2 = _path + path;
        await _host.PublishAsync(Sequence(Endpoint(path2), send));

        (await _host.Client.GetStringAsync(path2)).ShouldBe(expected);
    }

    [Theory]
    [InlineData("ftp://127.0.0.1/")]
    [InlineData("relative")]
    public async Task Send_ImpossibleAddress_IsAnIncident(string url)
    {
        await _host.PublishAsync(Sequence(Endpoint(_path), SendTo(url, "")));

        (await _host.Client.GetAsync(_path)).StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
    }

    private void Map(WebApplication app)
    {
        app.Map("/echo", async (HttpContext context) => await context.Response.WriteAsJsonAsync(new
        {
            method = context.Request.Method,
            body = await new StreamReader(context.Request.Body).ReadToEndAsync(),
            type = context.Request.ContentType,
            // In capitals, so that the test can tell the answer from what was sent.
            authorization = context.Request.Headers.Authorization.ToString().ToUpperInvariant(),
            one = context.Request.Headers["X-One"].ToString(),
            two = string.Join(',', context.Request.Headers["X-Two"].ToArray()).Replace(" ", "", StringComparison.Ordinal),
        }));
        app.MapGet("/status/{code:int}", (int code) => Results.StatusCode(code));
        app.MapGet("/silent", () => _silence.Task);
        app.MapGet("/large", () => new string('x', 20_000));
        app.MapGet("/text", () => Results.Bytes("plain"u8.ToArray(), "text/plain"));
        app.MapGet("/nul", () => Results.Bytes("a\0b"u8.ToArray(), "text/plain"));
        app.MapGet("/broken-json", () => Results.Bytes("{\"a\":"u8.ToArray(), "application/json"));
        app.MapGet("/chunked", async (HttpContext context) =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("{\"a\":");
            await context.Response.Body.FlushAsync();
            await context.Response.WriteAsync("1}");
        });
    }

    private string Send(string path, params string[] more) => SendTo(_host.Url + path, string.Join(',', more.Where(m => m.Length > 0)));

    private static string SendTo(string url, string more) =>
        $$"""{"type":"Elsa.FlowSendHttpRequest","id":"send",{{(more.Length > 0 ? more + "," : "")}}"url":"{{url}}"}""";

    private static string AsTask(bool asTask) => asTask ? """ "customProperties":{"runAsynchronously":true} """ : "";

    /// <summary>The value of variable v after the activity.</summary>
    private async Task<JsonElement> ResultAsync(string activity)
    {
        var path = Guid.NewGuid().ToString("N");
        await _host.PublishAsync(Sequence(Endpoint(path), activity, Answer(Variable("v"), """ "contentType":"application/json" """)), Variables("v"));
        var text = await _host.Client.GetStringAsync(path);
        try
        {
            return JsonSerializer.Deserialize<JsonElement>(text);
        }
        catch (JsonException)
        {
            // A text is sent as it is.
            return JsonSerializer.SerializeToElement(text);
        }
    }

    /// <summary>The outcomes that were followed, in the given order.</summary>
    private async Task<string> OutcomesAsync(string activity, params string[] names)
    {
        var id = await _host.PublishAsync(Flow(
            [Endpoint(_path), activity, .. names.Select((n, i) => Line(n, $"l{i}"))], ["in->send", .. names.Select((n, i) => $"send:{n}->l{i}")]));
        await _host.Client.GetAsync(_path);
        await _host.ReachAsync(id, s => s.Status == WorkflowStatus.Finished);
        var lines = await Storage.Sql.QueryAsync(
            _host.DataSource,
            """
            SELECT string_agg(e.activity_state->>'Text', ' ' ORDER BY j.sequence) FROM wf.journal j
            JOIN wf.activity_executions e ON e.id = j.activity_instance_id AND e.instance_id = j.instance_id
            JOIN wf.instances i ON i.id = j.instance_id
            WHERE i.definition_id = $1 AND j.event_name = 'Started' AND e.activity_type = 'Elsa.WriteLine'
            """, [id], r => r.GetString(0), default);
        return lines[0];
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
