using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace Aura.Host.Tests.Elsa;

/// <summary>A client of a SignalR hub over a bare WebSocket: JSON protocol version 1, messages ended by the record separator.</summary>
internal sealed class HubClient : IAsyncDisposable
{
    private const char End = '\u001e';
    private readonly ClientWebSocket _socket = new();
    private readonly Channel<JsonElement> _messages = Channel.CreateUnbounded<JsonElement>();
    private Task _reading = Task.CompletedTask;

    private HubClient()
    {
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="url">The hub's address with http; a token may stand in its query.</param>
    /// <param name="bearer">The token in the header; null for none.</param>
    public static async Task<HubClient> ConnectAsync(string url, string? bearer = null)
    {
        var client = new HubClient();
        if (bearer is not null)
            client._socket.Options.SetRequestHeader("Authorization", "Bearer " + bearer);
        await client._socket.ConnectAsync(new(url.Replace("http://", "ws://", StringComparison.Ordinal)), Cancel);
        await client.WriteAsync("""{"protocol":"json","version":1}""");
        client._reading = client.ReadAllAsync();
        (await client.NextAsync()).ToString().ShouldBe("{}");
        return client;
    }

    /// <summary>As Studio does it: nobody answers.</summary>
    public Task SendAsync(string method, params object[] arguments) => WriteAsync(JsonSerializer.Serialize(new { type = 1, target = method, arguments }));

    /// <summary>Waits for the answer.</summary>
    /// <returns>The error's text, or null.</returns>
    public async Task<string?> InvokeAsync(string method, params object[] arguments)
    {
        var id = Guid.NewGuid().ToString("N");
        await WriteAsync(JsonSerializer.Serialize(new { type = 1, invocationId = id, target = method, arguments }));
        var completion = await NextAsync(m => m.TryGetProperty("invocationId", out var answered) && answered.GetString() == id);
        return completion.TryGetProperty("error", out var error) ? error.GetString() : null;
    }

    /// <summary>The first argument of the next call of that method, passing over others.</summary>
    public async Task<JsonElement> CalledAsync(string method, Func<JsonElement, bool>? which = null) => (await NextAsync(
        m => m.TryGetProperty("target", out var target) && target.GetString() == method && (which is null || which(m.GetProperty("arguments")[0]))))
        .GetProperty("arguments")[0];

    public async ValueTask DisposeAsync()
    {
        _socket.Abort();
        await _reading;
        _socket.Dispose();
    }

    private Task<JsonElement> NextAsync() => NextAsync(_ => true);

    private async Task<JsonElement> NextAsync(Func<JsonElement, bool> which)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var message = await _messages.Reader.ReadAsync(limit.Token);
            if (which(message))
                return message;
        }
    }

    private Task WriteAsync(string json) => _socket.SendAsync(Encoding.UTF8.GetBytes(json + End), WebSocketMessageType.Text, true, Cancel);

    private async Task ReadAllAsync()
    {
        var buffer = new byte[16 << 10];
        var text = new StringBuilder();
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveAsync(buffer, CancellationToken.None);
                if (received.MessageType == WebSocketMessageType.Close)
                    break;
                text.Append(Encoding.UTF8.GetString(buffer, 0, received.Count));
                var all = text.ToString();
                var end = all.LastIndexOf(End);
                foreach (var message in end < 0 ? [] : all[..end].Split(End))
                {
                    var json = JsonElement.Parse(message);
                    // Pings only say that the server is there.
                    if (!json.TryGetProperty("type", out var type) || type.GetInt32() != 6)
                        await _messages.Writer.WriteAsync(json);
                }

                text.Clear().Append(all[(end + 1)..]);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The connection is over.
        }

        _messages.Writer.TryComplete();
    }
}
