using System.Text.Json;
using Aura.Workflows.Activities;

namespace Aura.Workflows.Definitions;

/// <summary>Loops that cannot end, and what stands behind an end.</summary>
internal static class LoopChecks
{
    public static void Check(ActivityNode node, WorkflowGraph graph, ValidationFindings findings)
    {
        switch (node.Activity)
        {
            case While { Body: { } body, Condition.Expression: { } condition } loop when IsAlwaysTrue(condition) && !CanLeave(graph.NodeOf(body), graph):
                findings.Warning(
                    ValidationCodes.EndlessLoop, loop,
                    "Its condition is always true and nothing in its body leaves it. Use a condition that can become false, or put a Break into the body.",
                    InputOf(node, nameof(While.Condition)));
                break;
            case For { Step.Expression: { } step } loop when InputChecks.LiteralOf(step) is { } literal && InputChecks.TextsOf(literal) is ["0"]:
                findings.Error(
                    ValidationCodes.EndlessLoop, loop,
                    "The step is 0: the loop would never end. Give a positive or a negative step.", InputOf(node, nameof(For.Step)));
                break;
            case Sequence sequence:
                CheckBehindEnd(sequence, findings);
                break;
        }
    }

    /// <summary>Whether something below ends what stands around it: a Break of this very loop, or an end or a fault of more than that.</summary>
    public static bool CanLeave(ActivityNode node, WorkflowGraph graph, bool inInnerLoop = false) => node.Activity switch
    {
        Break => !inInnerLoop,
        Complete or Finish or Fault or NotFoundActivity => true,
        _ => node.Descriptor.ChildrenOf(node.Activity).Any(c => CanLeave(graph.NodeOf(c), graph, inInnerLoop || node.Activity is LoopActivity)),
    };

    private static void CheckBehindEnd(Sequence sequence, ValidationFindings findings)
    {
        var end = sequence.Activities.FirstOrDefault(a => a is ITerminal);
        if (end is null || sequence.Activities.SkipWhile(a => a != end).Skip(1).FirstOrDefault() is not { } behind)
            return;
        findings.Warning(
            ValidationCodes.Unreachable, behind,
            $"It never runs: {findings.NameOf(end)} before it ends the sequence. Move it to the front, or remove it.");
    }

    private static bool IsAlwaysTrue(Expression condition) => condition.Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.Number => condition.Value.TryGetDouble(out var number) && number != 0,
        JsonValueKind.String => condition.Value.GetString()!.Trim().TrimEnd(';').Trim().ToUpperInvariant() is "TRUE" or "RETURN TRUE" or "1" or "!0",
        _ => false,
    } && condition.Type is "Literal" or "Object" or "Json" or "JavaScript" or "CSharp";

    private static InputDescriptor? InputOf(ActivityNode node, string name) => node.Descriptor.Inputs.FirstOrDefault(i => i.Name == name);
}
