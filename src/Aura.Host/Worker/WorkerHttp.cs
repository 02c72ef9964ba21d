using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Aura.Host.Worker;

/// <summary>An answer over HTTP, or none: <see cref="Status"/> is 0 when nobody answered.</summary>
/// <param name="Code">The problem's <c>code</c>, when it has one.</param>
/// <param name="Detail">What the problem says.</param>
internal sealed record HttpAnswer(int Status, JsonElement Body, string? Code, string Detail)
{
    /// <summary>False when what came is not JSON: then somebody else answered (a proxy, a sign-in page), whatever the status says.</summary>
    public bool IsJson { get; init; } = true;

    /// <summary>False when no connection could be made: then nobody has seen the request.</summary>
    public bool WasSent { get; init; } = true;

    private bool IsSuccess => Status is >= 200 and < 300;

    public bool IsGood => IsSuccess && IsJson;

    /// <summary>The other side is away or overloaded; the same request may succeed later.</summary>
    public bool MayPass => Status is 0 or 408 or 429 or >= 500 || (IsSuccess && !IsJson);

    /// <summary>It may have been done though the answer does not say so: it was lost, or is not the service's own.</summary>
    public bool MayBeDone => WasSent && (Status is 0 or >= 500 || (IsSuccess && !IsJson));

    public override string ToString() => Status == 0 ? Detail : $"{Status} {Code} {Detail}".Trim();
}

/// <summary>JSON requests to one service, each with its own time limit. Failures are values.</summary>
internal sealed class WorkerHttp : IDisposable
{
    private readonly HttpClient _http;
    private readonly TimeProvider _time;

    public WorkerHttp(Uri address, TimeProvider time)
    {
        // A redirect would carry the key elsewhere; a proxy has no business between processes of one machine.
        _http = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = !address.IsLoopback,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            ConnectTimeout = TimeSpan.FromSeconds(5),
        })
        { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
        _time = time;
    }

    /// <exception cref="OperationCanceledException">The caller's token was cancelled.</exception>
    public async Task<HttpAnswer> SendAsync(HttpMethod method, string path, string? json, string key, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        using var timeout = new CancellationTokenSource(limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var response = await _http.SendAsync(request, either.Token);
            return Read(response.StatusCode, await response.Content.ReadAsStringAsync(either.Token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new(0, default, null, $"No answer from {_http.BaseAddress} within {limit.TotalSeconds:0} s.");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            var isUnsent = e is HttpRequestException
            {
                HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError,
            };
            return new(0, default, null, $"No answer from {_http.BaseAddress}: {e.Message}") { WasSent = !isUnsent };
        }
    }

    public void Dispose() => _http.Dispose();

    private static HttpAnswer Read(HttpStatusCode status, string text)
    {
        // Only 204 has nothing to say.
        if (status == HttpStatusCode.NoContent)
            return new((int)status, default, null, "");
        try
        {
            var body = JsonElement.Parse(text);
            return new((int)status, body, Text(body, "code"), Text(body, "detail") ?? Text(body, "title") ?? "");
        }
        catch (JsonException)
        {
            return new((int)status, default, null, text.Length == 0 ? "The answer is empty." : "The answer is not JSON.") { IsJson = false };
        }
    }

    private static string? Text(JsonElement body, string name) =>
        body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>The pauses between tries: growing, and different for each of many workers.</summary>
internal sealed class Pauses(TimeSpan longest)
{
    private int _failures;

    public TimeSpan Next()
    {
        var grown = Math.Min(0.5 * Math.Pow(2, Math.Min(_failures++, 12)), longest.TotalSeconds);
        return TimeSpan.FromSeconds(grown * (0.5 + (0.5 * Random.Shared.NextDouble())));
    }

    public void Reset() => _failures = 0;
}
