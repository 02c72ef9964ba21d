using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Aura.Workflows.Expressions;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Http;

/// <summary>A request that a workflow wants to send.</summary>
/// <param name="Content">Sent only when there is a content type too.</param>
/// <param name="IsAuthorizationChecked">False: the authorization header is sent as it stands, whatever its form.</param>
internal sealed record OutgoingRequest(
    Uri? Url, string? Method, object? Content, string? ContentType, string? Authorization, bool IsAuthorizationChecked, HttpHeaders Headers);

/// <summary>What came of it.</summary>
internal abstract record OutgoingResult
{
    /// <param name="Content">The body in plain form; null when it is empty.</param>
    public sealed record Answered(int Status, string? Reason, HttpHeaders Headers, string? ContentType, object? Content) : OutgoingResult;

    public sealed record FailedToConnect(string Reason) : OutgoingResult;

    public sealed record TimedOut : OutgoingResult;
}

/// <summary>The one client for all requests that workflows send from this host: it keeps connections, and no cookies.</summary>
internal sealed class OutgoingHttp : IDisposable
{
    private readonly HttpClient _client;

    public OutgoingHttp(IOptions<HttpWorkflowsOptions> options) => _client = new(new SocketsHttpHandler
    {
        // Cookies of one workflow must not reach another.
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.All,
        // Addresses behind names change while a host runs.
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = options.Value.OutgoingTimeout,
        MaxResponseContentBufferSize = options.Value.MaxAnswerBytes,
    };

    /// <exception cref="ArgumentException">The request itself is not possible.</exception>
    public async Task<OutgoingResult> SendAsync(OutgoingRequest request, CancellationToken cancellationToken)
    {
        using var message = Build(request);
        try
        {
            using var response = await _client.SendAsync(message, cancellationToken);
            var bytes = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            var contentType = response.Content.Headers.NonValidated.TryGetValues("Content-Type", out var types) ? types.ToString() : null;
            var headers = new HttpHeaders();
            foreach (var (name, values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
                headers[name] = [.. values.Select(Storable)];
            return new OutgoingResult.Answered(
                (int)response.StatusCode, response.ReasonPhrase, headers, contentType, await ParseAsync(bytes, contentType, cancellationToken));
        }
        catch (HttpRequestException e) when (e.HttpRequestError != HttpRequestError.ConfigurationLimitExceeded)
        {
            return new OutgoingResult.FailedToConnect(e.Message);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new OutgoingResult.TimedOut();
        }
    }

    public void Dispose() => _client.Dispose();

    private static HttpRequestMessage Build(OutgoingRequest request)
    {
        if (request.Url is not { IsAbsoluteUri: true, Scheme: "http" or "https" } url)
            throw new ArgumentException($"'{request.Url}' is no http or https address.", nameof(request));
        var message = new HttpRequestMessage(new(string.IsNullOrWhiteSpace(request.Method) ? "GET" : request.Method.Trim().ToUpperInvariant()), url);
        if (request.Content is not null && !string.IsNullOrWhiteSpace(request.ContentType))
            message.Content = Body(request.Content, request.ContentType);
        if (!string.IsNullOrWhiteSpace(request.Authorization))
        {
            if (request.IsAuthorizationChecked)
                message.Headers.Authorization = AuthenticationHeaderValue.Parse(request.Authorization);
            else
                message.Headers.TryAddWithoutValidation("Authorization", request.Authorization);
        }

        foreach (var (name, values) in request.Headers)
        {
            // Some headers describe the body; they are kept with it.
            if (!message.Headers.TryAddWithoutValidation(name, values) && message.Content?.Headers.TryAddWithoutValidation(name, values) != true)
                throw new ArgumentException($"The header '{name}' cannot be sent with this request.", nameof(request));
        }

        return message;
    }

    private static HttpContent Body(object content, string contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type))
            throw new ArgumentException($"'{contentType}' is no content type.", nameof(contentType));
        HttpContent body = content switch
        {
            byte[] bytes => new ByteArrayContent(bytes),
            string text => new ByteArrayContent(Encoding.UTF8.GetBytes(text)),
            _ when type.MediaType == "application/x-www-form-urlencoded" => new FormUrlEncodedContent(
                ObjectConverter.ConvertTo<Dictionary<string, string>>(content)!),
            _ => new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(content, content.GetType(), WorkflowJson.Options)),
        };
        body.Headers.ContentType = type;
        return body;
    }

    /// <summary>What is not what it claims to be comes as text: the answer is there, whatever its form.</summary>
    private static async Task<object?> ParseAsync(byte[] bytes, string? contentType, CancellationToken cancellationToken)
    {
        try
        {
            return PlainValue.Checked((await HttpBody.ParseAsync(bytes, contentType, cancellationToken)).Content);
        }
        catch (HttpBodyException)
        {
            return Storable(Encoding.UTF8.GetString(bytes));
        }
    }

    private static string Storable(string text) => PlainValue.IsStorable(text) ? text : text.Replace('\0', '\uFFFD');
}
