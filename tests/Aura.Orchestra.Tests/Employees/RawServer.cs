using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Aura.Orchestra.Tests.Employees;

/// <summary>
/// An HTTP server that says exactly the bytes it is given, one answer a connection, and keeps what it was asked: for what the
/// independent mock cannot say or does not show.
/// </summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly Task _serving;

    /// <param name="bodies">One for each request; the last repeats.</param>
    public RawServer(string contentType, params string[] bodies)
    {
        _listener.Start();
        Address = new($"http://{_listener.LocalEndpoint}/");
        _serving = ServeAsync(contentType, bodies);
    }

    public Uri Address { get; }

    /// <summary>The bodies of the requests.</summary>
    public IReadOnlyList<string> Asked => [.. _asked];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _serving;
        _stop.Dispose();
    }

    private async Task ServeAsync(string contentType, string[] bodies)
    {
        try
        {
            for (var i = 0; ; i++)
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                await using var stream = client.GetStream();
                _asked.Enqueue(await ReadAsync(stream));
                var body = Encoding.UTF8.GetBytes(bodies[Math.Min(i, bodies.Length - 1)]);
                var head = $"HTTP/1.1 200 OK\r\nContent-Type: {contentType}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n";
                await stream.WriteAsync(Encoding.ASCII.GetBytes(head), _stop.Token);
                await stream.WriteAsync(body, _stop.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or IOException)
        {
            // Stopped.
        }
    }

    private async Task<string> ReadAsync(NetworkStream stream)
    {
        var bytes = new List<byte>();
        var buffer = new byte[8192];
        while (true)
        {
            var read = await stream.ReadAsync(buffer, _stop.Token);
            if (read == 0)
                return "";
            bytes.AddRange(buffer[..read]);
            var text = Encoding.UTF8.GetString([.. bytes]);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end < 0)
                continue;
            var head = text[..end];
            if (head.Contains("chunked", StringComparison.OrdinalIgnoreCase))
            {
                if (text.EndsWith("0\r\n\r\n", StringComparison.Ordinal))
                    return text[(end + 4)..];
            }
            else if (Length(head) is var length && bytes.Count - Encoding.UTF8.GetByteCount(text[..(end + 4)]) >= length)
            {
                return text[(end + 4)..];
            }
        }
    }

    private static int Length(string head) => head.Split("\r\n")
        .Where(l => l.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
        .Select(l => int.Parse(l.Split(':')[1].Trim(), provider: null)).FirstOrDefault();
}
