using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Aura.Workflows.Definitions;

/// <summary>
/// The form in which a definition is kept as a file: the same bytes for the same content, so that version control shows what a person
/// changed and nothing else. Elsa reads it too.
/// </summary>
/// <remarks>
/// What the server sets of a version is no content: <c>createdAt</c> and <c>links</c> are left out; <c>id</c>, <c>version</c>,
/// <c>isLatest</c> and <c>isPublished</c> are those of a first, published version, which is how Elsa wants a file. They stand in front with
/// the name; all other members, and everything within them, keep their order and their text. Values of variables are text, as Studio imports them.
/// </remarks>
public static class DefinitionFile
{
    private const string Schema = "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json";
    private static readonly JsonNodeOptions AnyCase = new() { PropertyNameCaseInsensitive = true };

    private static readonly JsonSerializerOptions Form = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        MaxDepth = 256,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The file's text, with a line feed at its end.</summary>
    public static string Write(WorkflowDefinition definition)
    {
        ArgumentNullException.ThrowIfNull(definition);
        return Write(definition, definition.DefinitionId + "-v1", version: 1, isLatest: true, isPublished: true, "createdAt", "links");
    }

    /// <summary>In the same form, with the identity of the version: what is handed on of a version that is stored.</summary>
    internal static string WriteVersion(WorkflowDefinition definition) =>
        Write(definition, definition.Id, definition.Version, definition.IsLatest, definition.IsPublished, "links");

    private static string Write(WorkflowDefinition definition, string id, int version, bool isLatest, bool isPublished, params string[] leftOut)
    {
        // Members that differ in case alone stay apart until they are written: the first one is.
        var stored = JsonObject.Create(definition.Json)!;
        var file = new JsonObject(AnyCase)
        {
            ["$schema"] = Schema,
            ["id"] = id,
            ["definitionId"] = definition.DefinitionId,
        };
        foreach (var name in new[] { "name", "description" })
        {
            if (stored.FirstOrDefault(m => m.Key.Equals(name, StringComparison.OrdinalIgnoreCase)) is { Key: not null } member)
                file[name] = member.Value?.DeepClone();
        }

        file["version"] = version;
        file["isLatest"] = isLatest;
        file["isPublished"] = isPublished;
        foreach (var (name, value) in stored.Where(m => !leftOut.Contains(m.Key, StringComparer.OrdinalIgnoreCase)))
        {
            if (file.ContainsKey(name))
                continue;
            file[name] = name.Equals("variables", StringComparison.OrdinalIgnoreCase) ? VariableReader.WithTextValues(value) : value?.DeepClone();
        }

        return file.ToJsonString(Form) + "\n";
    }

    /// <summary>The name of a definition's file when it has none yet.</summary>
    public static string NameOf(string definitionId)
    {
        ArgumentNullException.ThrowIfNull(definitionId);
        var name = string.Concat(definitionId.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '-')).Trim('.');
        return (name.Length == 0 ? "workflow" : name) + ".json";
    }
}
