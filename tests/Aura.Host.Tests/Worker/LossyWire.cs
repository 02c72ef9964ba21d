using System.Collections.Concurrent;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Aura.Host.Tests.Worker;

/// <summary>How an answer is lost.</summary>
public enum Loss
{
    /// <summary>The request is done, the connection breaks.</summary>
    Cut,

    /// <summary>The request is done, a proxy says 502.</summary>
    BadGateway,

    /// <summary>The request is done, a proxy shows a page.</summary>
    NotJson,

    /// <summary>A proxy says 502 and has passed nothing on.</summary>
    Dropped,

    /// <summary>A proxy refuses before anything is done.</summary>
    TurnedAway,
}

/// <summary>A proxy before the service that loses its first answers, of all requests or of one path.</summary>
internal sealed class LossyWire : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _service;
    private readonly ConcurrentQueue<string> _requests = new();
    private int _left;

    private LossyWire(WebApplication app, string service, int times) => (_app, _service, _left) = (app, new() { BaseAddress = new(service) }, times);

    public string Url { get; private set; } = "";

    public IReadOnlyList<string> Requests => [.. _requests];

    public static async Task<LossyWire> StartAsync(string service, Loss loss, int times, string path = "")
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var wire = new LossyWire(app, service, times);
        app.Run(http => wire.PassAsync(http, loss, path));
        await app.StartAsync();
        wire.Url = app.Urls.Single();
        return wire;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _service.Dispose();
    }

    private async Task PassAsync(HttpContext http, Loss loss, string path)
    {
        _requests.Enqueue(http.Request.Path);
        var isLost = http.Request.Path.StartsWithSegments(path, StringComparison.Ordinal) && Interlocked.Decrement(ref _left) >= 0;
        if (isLost && loss is (Loss.TurnedAway or Loss.Dropped))
        {
            http.Response.StatusCode = loss == Loss.Dropped ? StatusCodes.Status502BadGateway : StatusCodes.Status429TooManyRequests;
            return;
        }

        using var request = new HttpRequestMessage(new(http.Request.Method), http.Request.Path + http.Request.QueryString);
        request.Headers.Authorization = AuthenticationHeaderValue.Parse(http.Request.Headers.Authorization!);
        using var body = new StreamReader(http.Request.Body);
        request.Content = new StringContent(await body.ReadToEndAsync(), new MediaTypeHeaderValue("application/json"));
        using var answer = await _service.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        if (isLost && loss == Loss.Cut)
        {
            http.Abort();
            return;
        }

        http.Response.StatusCode = !isLost ? (int)answer.StatusCode : loss == Loss.BadGateway ? 502 : 200;
        await http.Response.WriteAsync(isLost ? "<html>Come back later.</html>" : text);
    }
}
