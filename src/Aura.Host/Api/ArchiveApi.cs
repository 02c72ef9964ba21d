using Aura.Orchestra.Archive;

namespace Aura.Host.Api;

/// <summary>What is kept, and until when.</summary>
internal static class ArchiveApi
{
    public static void MapArchive(RouteGroupBuilder group) => group.MapGet("/archive", ListAsync);

    private static async Task<IResult> ListAsync(HttpRequest http, ArchiveStore archive, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        var paging = Paging.Parse(http.Query, errors);
        return errors.Any
            ? errors.ToResult()
            : Results.Json(await paging.ToPageAsync(
                limit => archive.ListAsync(limit, paging.Before, cancellationToken), a => a.Seq, ArchiveItem.Of), AuraApi.Json);
    }
}
