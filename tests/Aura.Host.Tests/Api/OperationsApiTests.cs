using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;

namespace Aura.Host.Tests.Api;

public sealed class OperationsApiTests(ApiHost host) : IClassFixture<ApiHost>
{
    [Fact]
    public async Task Ready_EverythingThere_IsReadyAndOpen()
    {
        using var client = host.Anonymous();
        (await client.GetAsync("/health", ApiHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        var response = await client.GetAsync("/ready", ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var body = await ApiHost.JsonAsync(response);
        body.GetProperty("status").GetString().ShouldBe("ready");
        body.GetProperty("checks").EnumerateObject().Select(c => c.Name).ShouldBe(["database", "migrations"], ignoreOrder: true);
    }

    [Fact]
    public async Task Ready_NoDatabase_Is503AndApiSaysSo()
    {
        await using var app = await host.StartAsync("Host=127.0.0.1;Port=1;Username=nobody;Timeout=2");
        using var client = ApiHost.ClientOf(app);
        (await client.GetAsync("/health", ApiHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        var ready = await client.GetAsync("/ready", ApiHost.Cancel);
        ready.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await ApiHost.JsonAsync(ready)).GetProperty("checks").GetProperty("database").GetProperty("status").GetString().ShouldBe("unhealthy");
        var prds = await client.GetAsync("/prds", ApiHost.Cancel);
        prds.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await ApiHost.JsonAsync(prds)).GetProperty("title").GetString().ShouldBe("The database does not answer");
        (await client.GetStringAsync("/metrics", ApiHost.Cancel)).ShouldContain("aura_database_up 0");
    }

    [Fact]
    public async Task Ready_MigrationMissing_Is503()
    {
        await host.ExecuteAsync("ALTER TABLE aura.schema_migrations RENAME TO hidden");
        try
        {
            (await host.GetAsync("/ready", 503)).GetProperty("checks").GetProperty("migrations").GetProperty("description").GetString()!
                .ShouldContain("0001_create_organisation.sql");
        }
        finally
        {
            await host.ExecuteAsync("ALTER TABLE aura.hidden RENAME TO schema_migrations");
        }
    }

    [Fact]
    public async Task Metrics_AfterWork_CountsIt()
    {
        await host.SubmitAsync();
        var response = await host.Client.GetAsync("/metrics", ApiHost.Cancel);
        response.Content.Headers.ContentType.ShouldBe(MediaTypeHeaderValue.Parse("text/plain; version=0.0.4; charset=utf-8"));
        var text = await response.Content.ReadAsStringAsync(ApiHost.Cancel);
        foreach (var name in (string[])["aura_prds_submitted_total ", "aura_prds{status=\"RECEIVED\"} ", "aura_jobs{status=\"QUEUED\"} 0", "aura_database_up 1",
            "http_server_request_duration_seconds_bucket{", "dotnet_process_memory_working_set_bytes "])
            text.ShouldContain("\n" + name);
    }

    [Fact]
    public async Task Metrics_Document_PassesPromtool()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/promtool"), "promtool is not installed (Debian package prometheus).");
        await host.SubmitAsync();
        var text = await host.Client.GetStringAsync("/metrics", ApiHost.Cancel);
        using var promtool = Process.Start(new ProcessStartInfo("/usr/bin/promtool", ["check", "metrics"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        await promtool.StandardInput.WriteAsync(text);
        promtool.StandardInput.Close();
        var said = await promtool.StandardError.ReadToEndAsync(ApiHost.Cancel) + await promtool.StandardOutput.ReadToEndAsync(ApiHost.Cancel);
        await promtool.WaitForExitAsync(ApiHost.Cancel);
        said.ShouldBeEmpty();
        promtool.ExitCode.ShouldBe(0);
    }

    [Fact]
    public async Task Unknown_Path_IsAProblem()
    {
        var response = await host.Client.GetAsync("/nothing/here", ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task Failure_OfTheProgram_IsAProblemWithoutItsInside()
    {
        var response = await host.Client.GetAsync("/broken", ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.InternalServerError);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await response.Content.ReadAsStringAsync(ApiHost.Cancel)).ShouldNotContain("secret");
    }
}
