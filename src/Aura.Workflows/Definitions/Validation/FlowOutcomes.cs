using System.Text.Json;
using Aura.Workflows.Activities;

namespace Aura.Workflows.Definitions;

/// <summary>The outcomes that arrows may leave from.</summary>
/// <param name="Names">As far as they can be told; empty for what ends its flowchart.</param>
/// <param name="IsClosed">False: the activity may complete with others, too, for example a script with what it sets.</param>
/// <param name="IsKnown">False: only a run can tell them.</param>
internal sealed record FlowOutcomes(IReadOnlySet<string> Names, bool IsClosed, bool IsKnown = true)
{
    private static readonly FlowOutcomes Unknown = new(new HashSet<string>(), IsClosed: false, IsKnown: false);

    // An arrow out of an end stays in files that were drawn so elsewhere; it does no harm.
    private static readonly FlowOutcomes None = new(new HashSet<string>(), IsClosed: false);

    /// <summary>An arrow without a port is followed when the activity just completes.</summary>
    public bool Has(string? port) => !IsKnown || (port is null ? Names.Count > 0 : Names.Contains(port));

    public bool MayFollow(string? port) => Has(port) || (!IsClosed && Names.Count > 0);

    public static FlowOutcomes Of(ActivityNode node)
    {
        var (activity, descriptor) = (node.Activity, node.Descriptor);
        if (activity is ITerminal)
            return None;
        if (activity is NotFoundActivity)
            return Unknown;
        var names = new HashSet<string>(descriptor.Outcomes, StringComparer.Ordinal);
        // A class that declares no outcomes may complete with some all the same; those of the engine do not, unless a script asks for them.
        var isClosed = activity is not (RunJavaScript or RunCSharp)
            && (names.Count > 0 || descriptor.ClrType.Assembly == typeof(FlowOutcomes).Assembly);
        if (activity is FlowSwitch cases)
            names.UnionWith(cases.Cases.Select(c => c.Label));
        foreach (var input in descriptor.Inputs.Where(i => i.UIHint == InputUIHints.DynamicOutcomes))
        {
            JsonElement? literal = (input.Read(activity) as Input)?.Expression is { } expression
                ? InputChecks.LiteralOf(expression)
                : JsonSerializer.SerializeToElement(input.DefaultValue ?? Array.Empty<string>(), WorkflowJson.Options);
            if (literal is null || InputChecks.TextsOf(literal.Value) is not { } texts)
                return Unknown;
            names.UnionWith(texts);
        }

        if (names.Count == 0 || activity is FlowFork or RunJavaScript or RunCSharp or WorkflowDefinitionActivity)
            names.Add("Done");
        return new(names, isClosed);
    }
}
