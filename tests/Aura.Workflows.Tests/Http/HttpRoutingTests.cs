using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Aura.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using static Aura.Workflows.Tests.Http.HttpJson;
using static Aura.Workflows.Tests.Json;

namespace Aura.Workflows.Tests.Http;

public sealed class HttpRoutingTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private HttpHost _host = null!;

    public async ValueTask InitializeAsync() =>
        _host = await HttpHost.StartAsync(database.ConnectionString, map: app => app.MapGet("/workflows/of-the-host", () => "host"));

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task Route_LiteralAndParameter_LiteralWinsWhateverTheOrder()
    {
        await PublishAsync(_path + "/{id}", "parameter");
        await PublishAsync(_path + "/new", "literal");
        await PublishAsync(_path + "/{id:int}", "constrained");
        await PublishAsync(_path + "/{**rest}", "catch-all");

        (await _host.Client.GetStringAsync(_path + "/new")).ShouldBe("literal");
        (await _host.Client.GetStringAsync(_path + "/NEW/")).ShouldBe("literal");
        (await _host.Client.GetStringAsync(_path + "/7")).ShouldBe("constrained");
        (await _host.Client.GetStringAsync(_path + "/seven")).ShouldBe("parameter");
        (await _host.Client.GetStringAsync(_path + "/a/b/c")).ShouldBe("catch-all");
    }

    [Fact]
    public async Task Route_LiteralHasOtherMethod_ParameterTakesTheRequest()
    {
        await PublishAsync(_path + "/new", "literal post", Methods("POST"));
        await PublishAsync(_path + "/{id}", "parameter get");

        (await _host.Client.GetStringAsync(_path + "/new")).ShouldBe("parameter get");
    }

    [Fact]
    public async Task Route_OptionalAndDefault_AreFilled()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path + "/{Kind=all}/{id:int?}", Out("routeData", "v")), Answer(Variable("v"))), Variables("v"));

        (await _host.Client.GetStringAsync(_path)).ShouldBe("""{"kind":"all"}""");
        (await _host.Client.GetStringAsync(_path + "/some/5")).ShouldBe("""{"kind":"some","id":"5"}""");
        (await _host.Client.GetAsync(_path + "/some/five")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Route_UnknownPathOrOtherMethod_Is404WithProblem()
    {
        await PublishAsync(_path, "here");

        var unknown = await _host.Client.GetAsync(_path + "/nothing");
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        unknown.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await _host.Client.DeleteAsync(_path)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Route_SeveralMethods_EachStarts()
    {
        await PublishAsync(_path, "both", Methods("PUT", "patch"));

        (await (await _host.Client.PutAsync(_path, null)).Content.ReadAsStringAsync()).ShouldBe("both");
        (await (await _host.Client.PatchAsync(_path, null)).Content.ReadAsStringAsync()).ShouldBe("both");
        (await _host.Client.GetAsync(_path)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Route_TwoWorkflowsAtOnePath_Is500AndNamesBoth()
    {
        var first = await PublishAsync(_path, "first");
        var second = await PublishAsync(_path + "/other", "second");
        // Publishing refuses what is taken; rows from elsewhere may hold it all the same.
        await _host.CountAsync("""
            WITH same AS (
                UPDATE wf.triggers t SET hash = f.hash, payload = f.payload FROM wf.triggers f WHERE t.definition_id = $1 AND f.definition_id = $2 RETURNING 1)
            SELECT count(*) FROM same
            """, second, first);

        var response = await _host.Client.GetAsync(_path);

        response.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        var problem = await response.Content.ReadAsStringAsync();
        problem.ShouldContain(first);
        problem.ShouldContain(second);
        problem.ShouldContain("ambiguous");
        (await _host.CountInstancesAsync(first) + await _host.CountInstancesAsync(second)).ShouldBe(0);
    }

    [Fact]
    public async Task Route_EquallyGoodTemplates_AreAmbiguousToo()
    {
        await PublishAsync(_path + "/{a}/x", "a");
        await PublishAsync(_path + "/{b}/x", "b");

        (await _host.Client.GetAsync(_path + "/1/x")).StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
    }

    [Fact]
    public async Task Route_TriggerRemoved_Is404AtOnce()
    {
        var id = await PublishAsync(_path, "here");
        (await _host.Client.GetStringAsync(_path)).ShouldBe("here");

        await _host.CountAsync("WITH gone AS (DELETE FROM wf.triggers WHERE definition_id = $1 RETURNING 1) SELECT count(*) FROM gone", id);

        (await _host.Client.GetAsync(_path)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Route_InvalidTemplateInARow_HarmsNoOther()
    {
        await PublishAsync(_path, "here");
        await _host.CountAsync("""
            WITH bad AS (
                INSERT INTO wf.triggers (id, definition_id, version_id, version, activity_id, name, hash, payload)
                VALUES ($1, 'd', 'v', 1, 'a', 'Elsa.HttpEndpoint', $1, '{"path":"a/{b","method":"get"}') RETURNING 1)
            SELECT count(*) FROM bad
            """, _path);

        (await _host.Client.GetStringAsync(_path)).ShouldBe("here");
    }

    [Fact]
    public async Task Route_OfTheHostBelowTheBasePath_StaysTheHosts()
    {
        await PublishAsync("{**all}", "workflow", Methods("GET"));

        (await _host.Client.GetStringAsync("of-the-host")).ShouldBe("host");
        (await _host.Client.GetStringAsync(_path)).ShouldBe("workflow");

        await _host.CountAsync("WITH gone AS (DELETE FROM wf.triggers WHERE payload->>'path' = '{**all}' RETURNING 1) SELECT count(*) FROM gone");
    }

    [Theory]
    [InlineData("/workflows/{0}/../../etc/passwd", 404)]
    [InlineData("/workflows/{0}/%2e%2e/%2e%2e/of-the-host", 404)]
    [InlineData("/workflows/{0}/a%00b", 400)]
    [InlineData("/workflows/{0}/..%2f..%2fetc", 200)]
    [InlineData("/workflows/{0}/'; DROP TABLE wf.instances; --", 400)]
    [InlineData("/workflows/{0}/%27%3B%20DROP%20TABLE%20x", 200)]
    [InlineData("/workflows/{0}/%7Bid%7D", 200)]
    [InlineData("/workflows//{0}", 404)]
    [InlineData("/workflows/{0}/x?a=%00", 400)]
    [InlineData("/workflows/{0}/x?workflowInstanceId=%0d%0aX", 400)]
    public async Task Route_MaliciousPath_IsAnsweredAndHarmless(string target, int status)
    {
        await _host.PublishAsync(Sequence(Endpoint(_path + "/{id}", Out("routeData", "v")), Answer(Variable("v"))), Variables("v"));

        // Sent as it stands: a client's own cleaning would hide what is tested.
        var answer = await SendRawAsync($"GET {string.Format(target, _path)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        answer.ShouldStartWith($"HTTP/1.1 {status} ");
        (await _host.CountAsync("SELECT count(*) FROM wf.definitions")).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task InstanceId_GivenAtTheStart_IsTheInstances()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("started")), Wait(_path + "/go"), Answer(Text("resumed"))));

        (await SendAsync(_path, instance: "mine-" + _path)).ShouldBe("started");
        (await _host.CountAsync("SELECT count(*) FROM wf.instances WHERE id = $1 AND definition_id = $2", "mine-" + _path, id)).ShouldBe(1);

        (await _host.Client.GetAsync($"{_path}?workflowInstanceId=mine-{_path}")).StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await _host.Client.GetStringAsync($"{_path}/go?workflowInstanceId=mine-{_path}")).ShouldBe("resumed");
    }

    [Fact]
    public async Task Waiting_TwoInstances_AreAmbiguousUntilNamed()
    {
        await _host.PublishAsync(Sequence(Endpoint(_path), Answer(Text("started")), Wait(_path + "/go"), Answer(Text("resumed"))));
        await SendAsync(_path, instance: "one-" + _path, correlation: "c1-" + _path);
        await SendAsync(_path, instance: "two-" + _path, correlation: "c2-" + _path);

        var ambiguous = await _host.Client.GetAsync(_path + "/go");
        ambiguous.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        var problem = JsonDocument.Parse(await ambiguous.Content.ReadAsStringAsync()).RootElement.GetProperty("workflows");
        problem.EnumerateArray().Select(w => w.GetString()!.Split(' ')[1]).Order().ShouldBe(["one-" + _path, "two-" + _path]);

        (await SendAsync(_path + "/go", correlation: "c2-" + _path)).ShouldBe("resumed");
        (await SendAsync(_path + "/go", instance: "one-" + _path)).ShouldBe("resumed");
        (await _host.Client.GetAsync(_path + "/go")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("Singleton", null, null, false)]
    [InlineData("CorrelatedSingleton", "a", "a", false)]
    [InlineData("CorrelatedSingleton", "a", "b", true)]
    [InlineData("Correlation", "a", "a", false)]
    [InlineData(null, null, null, true)]
    public async Task Start_ActivationStrategy_IsKept(string? strategy, string? first, string? second, bool starts)
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Wait(_path + "/end", id: "end")), Activation(strategy));
        await SendAsync(_path, correlation: first is null ? null : first + _path);

        using var request = new HttpRequestMessage(HttpMethod.Get, _path);
        if (second is not null)
            request.Headers.Add("X-Correlation-ID", second + _path);
        var response = await _host.Client.SendAsync(request);

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Headers.Contains("x-elsa-workflow-cannot-start").ShouldBe(!starts);
        (await _host.CountInstancesAsync(id)).ShouldBe(starts ? 2 : 1);
    }

    [Fact]
    public async Task Start_SingletonUnderManyRequests_StartsOne()
    {
        var id = await _host.PublishAsync(Sequence(Endpoint(_path), Wait(_path + "/end", id: "end")), Activation("Singleton"));

        await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => _host.Client.GetAsync(_path)));

        (await _host.CountInstancesAsync(id)).ShouldBe(1);
        (await _host.Client.GetAsync(_path + "/end")).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await _host.Client.GetAsync(_path)).Headers.Contains("x-elsa-workflow-cannot-start").ShouldBeFalse();
    }

    private static string Activation(string? strategy) => $$""" "options":{"activationStrategyType":{{JsonSerializer.Serialize(strategy)}} } """;

    private Task<string> PublishAsync(string path, string answer, string more = "") => _host.PublishAsync(Sequence(Endpoint(path, more), Answer(Text(answer))));

    private async Task<string> SendAsync(string path, string? instance = null, string? correlation = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (instance is not null)
            request.Headers.Add("X-Workflow-Instance-ID", instance);
        if (correlation is not null)
            request.Headers.Add("X-Correlation-ID", correlation);
        return await (await _host.Client.SendAsync(request)).Content.ReadAsStringAsync();
    }

    private async Task<string> SendRawAsync(string request)
    {
        var url = new Uri(_host.Url);
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
        return await new StreamReader(stream).ReadToEndAsync();
    }
}
