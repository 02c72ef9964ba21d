using System.Globalization;
using System.Text.Json;

namespace Aura.Workflows.Definitions;

/// <summary>Collects what the checks of one definition find, and puts each into words that name the place.</summary>
internal sealed class ValidationFindings
{
    private readonly List<DefinitionValidationError> _found = [];
    private readonly ReadDefinition? _read;

    public ValidationFindings(ReadDefinition read) => _read = read;

    /// <summary>Of a definition that could not be read: this is all there is to say of it.</summary>
    public ValidationFindings(DefinitionValidationError unreadable) => _found.Add(unreadable);

    public bool HasErrors => _found.Exists(f => f.IsError);

    private ReadDefinition Read => _read ?? throw new InvalidOperationException("There is nothing to be found in a definition that could not be read.");

    /// <summary>Errors first; else in the order of the checks.</summary>
    public IReadOnlyList<DefinitionValidationError> All => [.. _found.OrderBy(f => f.Severity)];

    /// <summary>Whether something that is wrong with the activity is known already.</summary>
    public bool HasErrorsOf(IActivity activity) => Read.Graph.NodeOf(activity).NodeId is var id && _found.Exists(f => f.IsError && f.NodeId == id);

    /// <param name="text">A whole sentence or more, without the place.</param>
    public void Add(ValidationSeverity severity, string code, IActivity activity, string text, InputDescriptor? input = null)
    {
        var label = LabelOf(activity);
        var place = input is null ? Name(label, activity.Id) : $"{Name(label, activity.Id)}, input '{input.DisplayName}'";
        _found.Add(new(activity.Id, $"{place}: {text}")
        {
            Severity = severity,
            Code = code,
            NodeId = Read.Graph.NodeOf(activity).NodeId,
            ActivityLabel = label,
            Input = input is null ? null : JsonNamingPolicy.CamelCase.ConvertName(input.Name),
        });
    }

    public void Error(string code, IActivity activity, string text, InputDescriptor? input = null) =>
        Add(ValidationSeverity.Error, code, activity, text, input);

    public void Warning(string code, IActivity activity, string text, InputDescriptor? input = null) =>
        Add(ValidationSeverity.Warning, code, activity, text, input);

    /// <summary>An activity as messages call it.</summary>
    public string NameOf(IActivity activity) => Name(LabelOf(activity), activity.Id);

    private static string Name(string label, string id) => label == id ? $"'{id}'" : $"'{label}' ({id})";

    private string LabelOf(IActivity activity)
    {
        var json = Read.Paths.TryGetValue(activity, out var path) ? At(Read.Graph.Definition.Json, path) : null;
        if (json?.Member("metadata")?.Text("displayText") is { Length: > 0 } shown)
            return shown;
        if (activity is Activities.NotFoundActivity missing && activity.Name is not { Length: > 0 })
            return missing.MissingTypeName[(missing.MissingTypeName.LastIndexOf('.') + 1)..];
        return activity.Name is { Length: > 0 } name ? name : Read.Graph.NodeOf(activity).Descriptor.DisplayName;
    }

    /// <summary>The element at a path of the reader, for example <c>root.activities[2]</c>.</summary>
    private static JsonElement? At(JsonElement document, string path)
    {
        JsonElement? found = document;
        foreach (var step in path.Split('.'))
        {
            var open = step.IndexOf('[', StringComparison.Ordinal);
            found = found?.Member(open < 0 ? step : step[..open]);
            if (open < 0)
                continue;
            var index = int.Parse(step.AsSpan(open + 1, step.Length - open - 2), CultureInfo.InvariantCulture);
            found = found.Items().Skip(index).Select(e => (JsonElement?)e).FirstOrDefault();
        }

        return found;
    }
}
