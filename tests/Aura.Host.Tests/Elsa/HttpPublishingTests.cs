using System.Net;
using Aura.Host.Hosting;
using Aura.Testing;
using Aura.Workflows.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using static Aura.Host.Tests.Elsa.Act;

namespace Aura.Host.Tests.Elsa;

/// <summary>What is published on one host answers on every host from the next request on.</summary>
public sealed class HttpPublishingTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private readonly string _path = Guid.NewGuid().ToString("N");
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(60) };
    private InstanceHost _a = null!;
    private InstanceHost _b = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _a = await InstanceHost.StartAsync(database.ConnectionString);
        _b = await InstanceHost.StartAsync(database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _a.DisposeAsync();
        await _b.DisposeAsync();
    }

    [Fact]
    public async Task Publish_OnOneHost_AnswersOnTheOtherAtOnceAndRetractEndsIt()
    {
        // The other host knows its table, and that nobody listens here.
        (await AskAsync(_path)).Status.ShouldBe(HttpStatusCode.NotFound);
        for (var round = 0; round < 3; round++)
        {
            var id = await _a.PublishAsync(Sequence(Endpoint(_path), Answer($"round {round}")), id: $"pub-{_path}");
            (await AskAsync(_path)).ShouldBe((HttpStatusCode.OK, $"round {round}"));

            await _a.Definitions.RetractAsync(id, cancellationToken: Cancel);
            (await AskAsync(_path)).Status.ShouldBe(HttpStatusCode.NotFound);
        }
    }

    [Fact]
    public async Task Publish_NewVersion_IsTheOneThatAnswersOnTheOtherHost()
    {
        for (var version = 1; version <= 3; version++)
        {
            await _a.PublishAsync(Sequence(Endpoint(_path), Answer($"v{version}")), id: $"ver-{_path}");
            (await AskAsync(_path)).ShouldBe((HttpStatusCode.OK, $"v{version}"));
        }

        (await _a.ScalarAsync<string>($"SELECT string_agg(version::text, ',' ORDER BY created_at) FROM wf.instances WHERE definition_id = 'ver-{_path}'"))
            .ShouldBe("1,2,3");
    }

    [Theory]
    [InlineData("special", "a literal path")]
    [InlineData("{number:int}", "a stricter parameter")]
    public async Task Publish_BetterTemplate_TakesThePathFromTheOldOneAtOnce(string template, string why)
    {
        var asked = template == "special" ? "special" : "42";
        await _a.PublishAsync(Sequence(Endpoint($"{_path}/{{name}}"), Answer("any")));
        (await AskAsync($"{_path}/{asked}")).Text.ShouldBe("any");

        await _a.PublishAsync(Sequence(Endpoint($"{_path}/{template}"), Answer("better")));

        (await AskAsync($"{_path}/{asked}")).Text.ShouldBe("better", why);
        (await AskAsync($"{_path}/other")).Text.ShouldBe("any");
    }

    [Fact]
    public async Task Dispatch_JustPublishedElsewhere_Starts()
    {
        var id = $"dis-{_path}";
        await _a.PublishAsync(Line("a", "a"), id: id);
        await _a.Definitions.RetractAsync(id, cancellationToken: Cancel);
        // The other host remembers for a moment that nothing is published.
        await _b.PostAsync($"workflow-definitions/{id}/dispatch", "{}", 404);
        await _a.PublishAsync(Line("b", "b"), id: id);

        (await _b.PostAsync($"workflow-definitions/{id}/dispatch", "{}")).GetProperty("workflowInstanceId").GetString().ShouldNotBeNull();
    }

    [Theory]
    [InlineData("/elsa/flows", "/elsa/api/things")]
    [InlineData("/Prds", "/prds/{id}")]
    public async Task RouteClash_BasePathOfAnother_StopsTheStart(string basePath, string route)
    {
        await using var app = AppWith(basePath, route);
        Should.Throw<InvalidOperationException>(() => RouteClash.Check(app, basePath)).Message.ShouldContain("AURA_HTTP_WORKFLOWS_PATH");
    }

    [Fact]
    public async Task RouteClash_PathOfItsOwn_Starts()
    {
        await using var app = AppWith("/flows", "/{**rest}");
        RouteClash.Check(app, "/flows");
    }

    private static WebApplication AppWith(string basePath, string route)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.Services.AddSingleton(_ => NpgsqlDataSource.Create("Host=nowhere"));
        builder.Services.AddRouting();
        builder.Services.AddSingleton(TimeProvider.System);
        Aura.Workflows.Runtime.WorkflowsServices.AddAuraWorkflows(builder.Services);
        builder.Services.AddHttpWorkflows(o => o.BasePath = basePath);
        var app = builder.Build();
        app.MapGet(route, () => Results.Ok());
        app.MapHttpWorkflows();
        return app;
    }

    private async Task<(HttpStatusCode Status, string Text)> AskAsync(string path)
    {
        using var response = await _http.GetAsync(new Uri($"{_b.Url}/workflows/{path}"), Cancel);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Cancel));
    }
}
