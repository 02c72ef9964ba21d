using System.Collections;
using System.IO.Compression;
using System.Text;
using Microsoft.Net.Http.Headers;

namespace Aura.Workflows.Http;

/// <summary>
/// Answers with a file: bytes, text, a file of a request, or a list of these as one archive. Clients may ask for a part, and are not
/// sent again what they have.
/// </summary>
[Activity("Elsa", "HTTP", "Answers the request that the workflow received with a file.", DisplayName = "HTTP File Response")]
public sealed class WriteFileHttpResponse : CodeActivity
{
    [Input(Description = "The file: bytes, text, a file of a request, or a list of these.")]
    public Input<object?>? Content { get; set; }

    [Input(Description = "The content type; chosen by the file when empty.")]
    public Input<string?>? ContentType { get; set; }

    [Input(Description = "The name under which the client saves the file.")]
    public Input<string?>? Filename { get; set; }

    [Input(Description = "The entity tag, by which a client knows that it has the file.", Category = "Advanced")]
    public Input<string?>? EntityTag { get; set; }

    [Input(Description = "Let clients ask for parts of the file.", Category = "Advanced", DefaultValue = false)]
    public Input<bool>? EnableResumableDownloads { get; set; }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        if (FileOf(context.Get(Content), 1) is not { } file)
        {
            await HttpExchange.AnswerAsync(context, new(204, [], null));
            return;
        }

        var headers = new HttpHeaders();
        var name = context.Get(Filename) is { Length: > 0 } given ? given : file.FileName;
        if (name.Length > 0)
        {
            var disposition = new ContentDispositionHeaderValue("attachment");
            disposition.SetHttpFileName(name);
            headers["Content-Disposition"] = [disposition.ToString()];
        }

        if (context.Get(EntityTag) is { Length: > 0 } tag)
            headers["ETag"] = [tag.StartsWith('"') || tag.StartsWith("W/", StringComparison.Ordinal) ? tag : $"\"{tag}\""];
        if (context.Get(EnableResumableDownloads))
            headers["Accept-Ranges"] = ["bytes"];
        var contentType = context.Get(ContentType) is { Length: > 0 } type ? type : file.ContentType;
        await HttpExchange.AnswerAsync(context, HttpAnswers.Of(200, file.Content, contentType, headers));
    }

    private static HttpFile? FileOf(object? content, int number) => content switch
    {
        null => null,
        byte[] bytes => new("", $"file-{number}.bin", HttpAnswers.OctetStream, bytes),
        string text => new("", $"file-{number}.txt", "text/plain", Encoding.UTF8.GetBytes(text)),
        IReadOnlyDictionary<string, object?> file when file.GetValueOrDefault("Content") is string base64 => new(
            "", file.GetValueOrDefault("FileName") as string ?? "", file.GetValueOrDefault("ContentType") as string ?? HttpAnswers.OctetStream,
            Convert.FromBase64String(base64)),
        IEnumerable items and not IDictionary => Archive([.. items.Cast<object?>()]),
        _ => throw new ArgumentException("The content is no file: give bytes, text, a file of a request, or a list of these.", nameof(content)),
    };

    private static HttpFile Archive(IReadOnlyList<object?> items)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            var used = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            for (var i = 0; i < items.Count; i++)
            {
                if (FileOf(items[i], i + 1) is not { } file)
                    continue;
                // The names are the senders': no entry may lead out of the folder that the archive is unpacked into.
                var name = file.FileName[(file.FileName.LastIndexOfAny(['/', '\\']) + 1)..];
                if (name is "" or "." or ".." || !used.Add(name))
                    used.Add(name = $"{i + 1}-{name.Trim('.')}");
                using var entry = archive.CreateEntry(name).Open();
                entry.Write(file.Content);
            }
        }

        return new("", "download.zip", "application/zip", stream.ToArray());
    }
}
