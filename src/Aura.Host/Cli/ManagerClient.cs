using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Aura.Host.Cli;

/// <summary>An event of the feed as it came over the wire.</summary>
internal sealed record FeedEvent(string Id, string Type, JsonElement Data)
{
    public string? Text(string name) => Data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>The event's own data.</summary>
    public JsonElement Details => Data.TryGetProperty("data", out var details) ? details : default;

    public DateTimeOffset At => Data.TryGetProperty("created_at", out var at) ? at.GetDateTimeOffset() : default;
}

/// <summary>Talks to a manager over HTTP. Problems become a <see cref="CliException"/> with the exit code that fits.</summary>
internal sealed class ManagerClient : IDisposable
{
    private readonly HttpClient _http;

    public ManagerClient(string url, string directorKey)
    {
        Url = url;
        _http = new() { BaseAddress = new(url), Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Authorization = new("Bearer", directorKey);
    }

    public string Url { get; }

    public Task<JsonElement> GetAsync(string path, CancellationToken cancellationToken) => SendAsync(HttpMethod.Get, path, null, cancellationToken);

    /// <param name="json">The body as it is: the manager says what is wrong with it.</param>
    public Task<JsonElement> PostAsync(string path, string json, CancellationToken cancellationToken) => SendAsync(HttpMethod.Post, path, json, cancellationToken);

    public Task<JsonElement> PatchAsync(string path, string json, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, path, json, cancellationToken);

    /// <summary>The feed from an event on (all of it when null), for ever; a lost connection is taken up where it broke.</summary>
    public async IAsyncEnumerable<FeedEvent> EventsAsync(string? prdId, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = after;
        var failures = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            await using var events = ReadStreamAsync(prdId, last, cancellationToken).GetAsyncEnumerator(cancellationToken);
            while (true)
            {
                try
                {
                    if (!await events.MoveNextAsync())
                        break;
                    failures = 0;
                }
                catch (Exception e) when (e is HttpRequestException or IOException && ++failures < 20)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken);
                    break;
                }

                last = events.Current.Id;
                yield return events.Current;
            }
        }
    }

    public void Dispose() => _http.Dispose();

    private async IAsyncEnumerable<FeedEvent> ReadStreamAsync(string? prdId, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/events" + (prdId is null ? "" : $"?prd_id={Uri.EscapeDataString(prdId)}"));
        if (after is not null)
            request.Headers.Add("Last-Event-ID", after);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (!response.IsSuccessStatusCode)
            throw ProblemOf(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        string id = "", type = "";
        var data = new StringBuilder();
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length == 0)
            {
                if (data.Length > 0)
                    yield return new(id, type, JsonSerializer.Deserialize<JsonElement>(data.ToString()));
                data.Clear();
            }
            else if (line.StartsWith("id:", StringComparison.Ordinal))
            {
                id = line[3..].Trim();
            }
            else if (line.StartsWith("event:", StringComparison.Ordinal))
            {
                type = line[6..].Trim();
            }
            else if (line.StartsWith("data:", StringComparison.Ordinal))
            {
                data.Append(line.AsSpan(5).TrimStart());
            }
        }
    }

    private async Task<JsonElement> SendAsync(HttpMethod method, string path, string? json, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        try
        {
            using var response = await _http.SendAsync(request, cancellationToken);
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            return response.IsSuccessStatusCode ? JsonSerializer.Deserialize<JsonElement>(text) : throw ProblemOf(response.StatusCode, text);
        }
        catch (HttpRequestException e)
        {
            throw new CliException(ExitCodes.Unavailable, $"No manager answers at {Url} ({e.Message}). Start one with: ./aura up");
        }
    }

    private static CliException ProblemOf(HttpStatusCode status, string body)
    {
        var text = new StringBuilder();
        try
        {
            var problem = JsonSerializer.Deserialize<JsonElement>(body);
            text.Append(problem.GetProperty("title").GetString());
            if (problem.TryGetProperty("detail", out var detail) && detail.ValueKind == JsonValueKind.String)
                text.Append(": ").Append(detail.GetString());
            if (problem.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Object)
            {
                foreach (var field in errors.EnumerateObject())
                {
                    foreach (var message in field.Value.EnumerateArray())
                        text.Append("\n  ").Append(field.Name).Append(' ').Append(message.GetString());
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            text.Append($"The manager answered {(int)status} {status}.");
        }

        if (status == HttpStatusCode.Unauthorized)
            text.Append("\n  Set DIRECTOR_API_KEY to the manager's key.");
        return new(status switch
        {
            HttpStatusCode.NotFound => ExitCodes.NotFound,
            HttpStatusCode.Conflict => ExitCodes.Conflict,
            HttpStatusCode.ServiceUnavailable => ExitCodes.Unavailable,
            _ => ExitCodes.Failed,
        }, text.ToString());
    }
}
