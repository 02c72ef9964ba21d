using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using Aura.Workflows.Runtime;

namespace Aura.Host.Elsa;

/// <summary>
/// The list of all activity types as Studio reads it, which is large and asked for after every change of a definition. Its bytes are
/// kept until an activity comes, goes or changes.
/// </summary>
internal sealed class ActivityDocument(DefinitionStore definitions)
{
    private volatile Rendered? _last;

    /// <param name="refresh">Looks first for what other hosts have published until now.</param>
    public async Task<Rendered> GetAsync(bool refresh, CancellationToken cancellationToken)
    {
        var version = await definitions.ActivitiesVersionAsync(refresh, cancellationToken);
        if (_last is { } last && last.Version == version)
            return last;
        var items = await definitions.ListActivitiesAsync(cancellationToken: cancellationToken);
        // Two that find it outdated both render it: the same bytes.
        return _last = Rendered.Of(version, JsonSerializer.SerializeToUtf8Bytes(new { items, count = items.Count }, ElsaApi.Json));
    }

    /// <param name="Version">Of the registry when it was rendered.</param>
    internal sealed record Rendered(long Version, byte[] Plain, byte[] Brotli, string ETag)
    {
        public static Rendered Of(long version, byte[] json)
        {
            using var packed = new MemoryStream();
            using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal, leaveOpen: true))
                brotli.Write(json);
            return new(version, json, packed.ToArray(), $"\"{Convert.ToHexStringLower(SHA256.HashData(json))[..32]}\"");
        }

        /// <summary>The list, packed where the client can unpack it; 304 when it has it already.</summary>
        public IResult Answer(HttpContext http)
        {
            http.Response.Headers.ETag = ETag;
            http.Response.Headers.CacheControl = "private, no-cache";
            http.Response.Headers.Vary = "Accept-Encoding";
            if (http.Request.Headers.IfNoneMatch.ToString().Contains(ETag, StringComparison.Ordinal))
                return Results.StatusCode(StatusCodes.Status304NotModified);
            if (!http.Request.Headers.AcceptEncoding.ToString().Contains("br", StringComparison.Ordinal))
                return Results.Bytes(Plain, "application/json; charset=utf-8");
            http.Response.Headers.ContentEncoding = "br";
            return Results.Bytes(Brotli, "application/json; charset=utf-8");
        }
    }
}
