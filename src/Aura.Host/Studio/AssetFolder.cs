using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;

namespace Aura.Host.Studio;

/// <summary>
/// A folder of files for browsers, listed once. Only what is in the list is ever opened, so no address reaches outside the folder, and a
/// missing file costs a look into a table.
/// </summary>
internal sealed class AssetFolder
{
    private static readonly EnumerationOptions Everything = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
    private readonly FrozenDictionary<string, Asset> _assets;

    private AssetFolder(FrozenDictionary<string, Asset> assets) => _assets = assets;

    /// <summary>Lists a folder.</summary>
    /// <param name="isServed">Which files may be asked for, by their path with slashes; a <c>.br</c> beside such a file is its Brotli form.</param>
    /// <param name="isImmutable">Which of them bear a hash of their content in their name.</param>
    public static AssetFolder Read(string folder, Func<string, bool> isServed, Func<string, bool> isImmutable)
    {
        var types = new FileExtensionContentTypeProvider();
        var paths = Directory.EnumerateFiles(folder, "*", Everything).Select(f => Path.GetRelativePath(folder, f).Replace('\\', '/')).ToHashSet(StringComparer.Ordinal);
        return new(paths.Where(isServed).ToFrozenDictionary(
            p => p,
            p => new Asset(
                Path.Combine(folder, p),
                paths.Contains(p + ".br") ? Path.Combine(folder, p + ".br") : null,
                types.TryGetContentType(p, out var type) ? type : "application/octet-stream",
                isImmutable(p)),
            StringComparer.Ordinal));
    }

    /// <summary>The file of that path (with slashes, from the folder), or null.</summary>
    public Asset? Find(string path) => _assets.GetValueOrDefault(path);
}

/// <summary>One file as browsers get it: compressed where they take that, and not at all where they have it.</summary>
internal sealed class Asset(string file, string? brotliFile, string contentType, bool isImmutable)
{
    private const string Forever = "public, max-age=31536000, immutable";
    private readonly Lazy<EntityTagHeaderValue> _tag = new(() => TagOf(file));
    private readonly Lazy<EntityTagHeaderValue> _brotliTag = new(() => TagOf(brotliFile!));

    /// <summary>The answer to a GET or HEAD: 200, 206, 304 or 416.</summary>
    public IResult Answer(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.CacheControl = isImmutable ? Forever : "no-cache";
        if (brotliFile is not null)
            headers.Vary = HeaderNames.AcceptEncoding;
        // A part of a file is a part of the file itself, not of one compressed form of it.
        var isBrotli = brotliFile is not null && context.Request.Headers.Range.Count == 0 && TakesBrotli(context.Request);
        if (isBrotli)
            headers.ContentEncoding = "br";
        // A stream and not a path: the files of an npm package all bear the same old date, which must not become Last-Modified.
        return Results.Stream(
            Open(isBrotli ? brotliFile! : file),
            TypeWithCharset,
            entityTag: (isBrotli ? _brotliTag : _tag).Value,
            enableRangeProcessing: !isBrotli);
    }

    /// <summary>The file as the text of a refusal, which no browser is to keep.</summary>
    public IResult Refuse(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        context.Response.Headers.CacheControl = "no-store";
        return Results.Stream(Open(file), TypeWithCharset);
    }

    private string TypeWithCharset => contentType.StartsWith("text/", StringComparison.Ordinal) || contentType.EndsWith("json", StringComparison.Ordinal)
        ? contentType + "; charset=utf-8"
        : contentType;

    private static FileStream Open(string path) =>
        new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1, FileOptions.Asynchronous | FileOptions.SequentialScan);

    private static bool TakesBrotli(HttpRequest request) => request.GetTypedHeaders().AcceptEncoding
        .Any(e => e.Value.Equals("br", StringComparison.OrdinalIgnoreCase) && e.Quality is null or > 0);

    private static EntityTagHeaderValue TagOf(string file)
    {
        using var stream = File.OpenRead(file);
        return new($"\"{Convert.ToHexStringLower(SHA256.HashData(stream).AsSpan(0, 16))}\"");
    }
}
