using System.Net;

namespace Aura.Browser.Tests;

/// <summary>A workflow that a web request starts and that answers it, drawn with the mouse.</summary>
public sealed class HttpTests(Chromium chromium, StudioHost host) : IClassFixture<StudioHost>
{
    [Fact]
    public Task Publish_EndpointThatAnswers_AnswersAtOnce() => chromium.VisitAsync(host, async studio =>
    {
        await studio.SignInAsync();
        await studio.OpenDefinitionsAsync();
        await studio.CreateFlowchartAsync("Hello");
        var editor = studio.Editor;
        await editor.DropAsync("HTTP", "HTTP Endpoint", 40, 60);
        await editor.DropAsync("HTTP", "HTTP Response", 400, 60);
        await editor.EditAsync("HttpEndpoint1", "Path");
        await editor.FillAsync("Path", "hello");
        await editor.TickAsync("POST", true);
        await editor.EditAsync("WriteHttpResponse1", "Content");
        await editor.FillAsync("Content", "Hello from the drawing");
        await editor.ChooseAsync("Status Code", "202 Accepted");
        await editor.ConnectAsync("HttpEndpoint1", "Done", "WriteHttpResponse1");
        await studio.ShotAsync("15-http");
        (await AskAsync(HttpMethod.Get)).ShouldBe((HttpStatusCode.NotFound, null));

        await editor.PublishAsync();
        (await AskAsync(HttpMethod.Get)).ShouldBe((HttpStatusCode.Accepted, "Hello from the drawing"));
        (await AskAsync(HttpMethod.Post)).ShouldBe((HttpStatusCode.Accepted, "Hello from the drawing"));
    });

    private async Task<(HttpStatusCode, string?)> AskAsync(HttpMethod method)
    {
        using var request = new HttpRequestMessage(method, "/workflows/hello");
        using var response = await host.Http.SendAsync(request);
        return (response.StatusCode, response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync() : null);
    }
}
