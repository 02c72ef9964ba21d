using Aura.Host.Security;
using Microsoft.AspNetCore.Authorization;

namespace Aura.Host.Elsa;

/// <summary>A link of an answer. Studio never follows them: it takes them for what the signed-in person may do.</summary>
internal sealed record Link(string Href, string Rel, string Method);

/// <summary>What the one who asks may do with definitions, told as links.</summary>
/// <param name="MayEdit">Without it no link <c>publish</c> is given, and Studio opens everything read-only.</param>
internal sealed record DefinitionLinks(bool MayEdit, bool MayRun)
{
    private const string Root = "/workflow-definitions";

    public static async Task<DefinitionLinks> OfAsync(HttpContext http)
    {
        var authorization = http.RequestServices.GetRequiredService<IAuthorizationService>();
        return new(
            (await authorization.AuthorizeAsync(http.User, Permissions.EditWorkflows)).Succeeded,
            (await authorization.AuthorizeAsync(http.User, Permissions.RunWorkflows)).Succeeded);
    }

    public IReadOnlyList<Link> OfList()
    {
        var links = new List<Link> { new(Root, "self", "GET") };
        if (MayEdit)
        {
            links.Add(new("/bulk-actions/delete/workflow-definitions/by-definition-id", "bulk-delete-by-definition-id", "POST"));
            links.Add(new("/bulk-actions/publish/workflow-definitions/by-definition-ids", "bulk-publish", "POST"));
            links.Add(new("/bulk-actions/retract/workflow-definitions/by-definition-ids", "bulk-retract", "POST"));
            links.Add(new(Root + "/import", "import", "POST"));
            links.Add(new(Root, "create", "POST"));
        }

        return links;
    }

    public IReadOnlyList<Link> Of(string definitionId, bool isReadonly)
    {
        var self = $"{Root}/{definitionId}";
        var links = new List<Link> { new(self, "self", "GET"), new(self + "/versions", "versions", "GET"), new(self + "/export", "export", "GET") };
        if (MayRun)
            links.Add(new(self + "/execute", "execute", "POST"));
        if (MayEdit && !isReadonly)
        {
            links.Add(new(self + "/publish", "publish", "POST"));
            links.Add(new(self + "/retract", "retract", "POST"));
            links.Add(new(self, "delete", "DELETE"));
        }

        return links;
    }
}
