using System.Text;
using System.Text.Json;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// The names that Elsa gives to scripts. Accessors such as <c>getOrder</c> are not made beforehand: a name that the
/// script uses is looked up when it is used.
/// </summary>
internal sealed class JavaScriptGlobals(IScriptContext context, IReadOnlyDictionary<string, object?> arguments, ICollection<string>? outcomes)
    : IHostObject
{
    private static readonly Dictionary<string, Func<JavaScriptGlobals, IReadOnlyList<object?>, object?>> Functions = new(StringComparer.Ordinal)
    {
        ["getWorkflowDefinitionId"] = (g, _) => g.Context.DefinitionId,
        ["getWorkflowDefinitionVersionId"] = (g, _) => g.Context.DefinitionVersionId,
        ["getWorkflowDefinitionVersion"] = (g, _) => g.Context.DefinitionVersion,
        ["getWorkflowInstanceId"] = (g, _) => g.Context.InstanceId,
        ["getCorrelationId"] = (g, _) => g.Context.CorrelationId,
        ["setCorrelationId"] = (g, a) => Done(() => g.Context.CorrelationId = TextOrNull(a, 0)),
        ["getWorkflowInstanceName"] = (g, _) => g.Context.InstanceName,
        ["setWorkflowInstanceName"] = (g, a) => Done(() => g.Context.InstanceName = TextOrNull(a, 0)),
        ["getVariable"] = (g, a) => g.Context.TryGetVariable(Text(a, 0), out var value) ? value : null,
        ["setVariable"] = (g, a) => Done(() => g.Context.SetVariable(Text(a, 0), At(a, 1))),
        ["getInput"] = (g, a) => g.Context.Input.GetValueOrDefault(Text(a, 0)),
        ["getOutputFrom"] = (g, a) => g.Context.TryGetOutput(Text(a, 0), TextOrNull(a, 1), out var value) ? value : null,
        ["getLastResult"] = (g, _) => g.Context.LastResult,
        ["isNullOrWhiteSpace"] = (_, a) => string.IsNullOrWhiteSpace(TextOrNull(a, 0)),
        ["isNullOrEmpty"] = (_, a) => string.IsNullOrEmpty(TextOrNull(a, 0)),
        ["toJson"] = (_, a) => JsonSerializer.Serialize(At(a, 0), WorkflowJson.Options),
        ["parseGuid"] = (_, a) => Guid.Parse(Text(a, 0)).ToString(),
        ["newGuid"] = (_, _) => Guid.NewGuid().ToString(),
        ["newGuidString"] = (_, _) => Guid.NewGuid().ToString(),
        ["getGuidString"] = (_, _) => Guid.NewGuid().ToString(),
        ["newShortGuid"] = (_, _) => ShortGuid(),
        ["getShortGuid"] = (_, _) => ShortGuid(),
        ["bytesToString"] = (_, a) => Encoding.UTF8.GetString(Bytes(a)),
        ["bytesFromString"] = (_, a) => Encoding.UTF8.GetBytes(Text(a, 0)),
        ["bytesToBase64"] = (_, a) => Convert.ToBase64String(Bytes(a)),
        ["bytesFromBase64"] = (_, a) => Convert.FromBase64String(Text(a, 0)),
        ["stringToBase64"] = (_, a) => Convert.ToBase64String(Encoding.UTF8.GetBytes(Text(a, 0))),
        ["stringFromBase64"] = (_, a) => Encoding.UTF8.GetString(Convert.FromBase64String(Text(a, 0))),
    };

    private readonly VariablesObject _variables = new(context);

    /// <summary>The functions that every script sees.</summary>
    internal static IEnumerable<string> FunctionNames => Functions.Keys;

    private IScriptContext Context => context;

    public IEnumerable<string> Keys => Functions.Keys.Append("variables").Append("args");

    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "variables" => _variables,
            "args" => arguments,
            "setOutcome" or "setOutcomes" when outcomes is not null => (HostFunction)SetOutcomes,
            _ when Functions.TryGetValue(name, out var function) => (HostFunction)(a => function(this, a)),
            _ => FindAccessor(name),
        };
        return value is not null;
    }

    public bool TrySet(string name, object? value) => false;

    /// <summary>The generated accessors: <c>getX</c>, <c>setX</c> of variables, <c>getX</c> of inputs and arguments, <c>getXFromActivity</c>.</summary>
    private HostFunction? FindAccessor(string name)
    {
        if (AccessorNames.MemberOf(name) is not { } member)
            return null;
        var variable = context.VariableNames.FirstOrDefault(v => AccessorNames.IsOf(v, member));
        if (name[0] == 's')
            return variable is null ? null : a => Done(() => context.SetVariable(variable, At(a, 0)));
        if (variable is not null)
            return _ => context.TryGetVariable(variable, out var value) ? value : null;
        if (context.Input.Keys.FirstOrDefault(i => AccessorNames.IsOf(i, member)) is { } input)
            return _ => context.Input.GetValueOrDefault(input);
        if (arguments.Keys.FirstOrDefault(i => AccessorNames.IsOf(i, member)) is { } argument)
            return _ => arguments[argument];
        return FindOutputAccessor(member);
    }

    private HostFunction? FindOutputAccessor(string member)
    {
        for (var from = 0; (from = member.IndexOf("From", from + 1, StringComparison.Ordinal)) > 0;)
        {
            var (output, activity) = (member[..from], member[(from + 4)..]);
            if (context.TryGetOutput(activity, output, out _))
                return _ => context.TryGetOutput(activity, output, out var value) ? value : null;
        }

        return null;
    }

    private object? SetOutcomes(IReadOnlyList<object?> values)
    {
        outcomes!.Clear();
        foreach (var outcome in values is [List<object?> list] ? list : values)
            outcomes.Add(outcome?.ToString() ?? "");
        return null;
    }

    private static object? Done(Action action)
    {
        action();
        return null;
    }

    private static object? At(IReadOnlyList<object?> arguments, int index) => index < arguments.Count ? arguments[index] : null;

    private static string? TextOrNull(IReadOnlyList<object?> arguments, int index) => ObjectConverter.ConvertTo<string>(At(arguments, index));

    private static string Text(IReadOnlyList<object?> arguments, int index) =>
        TextOrNull(arguments, index) ?? throw new InvalidOperationException($"Argument {index + 1} is missing.");

    /// <summary>Bytes are lists of numbers to scripts.</summary>
    private static byte[] Bytes(IReadOnlyList<object?> arguments) => At(arguments, 0) is List<object?> list
        ? [.. list.Select(b => ObjectConverter.ConvertTo<byte>(b))]
        : throw new InvalidOperationException("The argument must be a list of bytes.");

    private static string ShortGuid() => Convert.ToBase64String(Guid.NewGuid().ToByteArray()).Replace("/", "", StringComparison.Ordinal)
        .Replace("+", "", StringComparison.Ordinal).Replace("=", "", StringComparison.Ordinal);

    /// <summary>The variables in scope, as the object <c>variables</c>.</summary>
    private sealed class VariablesObject(IScriptContext context) : IHostObject
    {
        public IEnumerable<string> Keys => context.VariableNames;

        public bool TryGet(string name, out object? value)
        {
            if (context.TryGetVariable(name, out value))
                return true;
            var similar = Similar(name);
            return similar is not null && context.TryGetVariable(similar, out value);
        }

        public bool TrySet(string name, object? value)
        {
            if ((context.TryGetVariable(name, out _) ? name : Similar(name)) is not { } known)
                return false;
            context.SetVariable(known, value);
            return true;
        }

        /// <summary>The first letter may be of either case.</summary>
        private string? Similar(string name) => context.VariableNames.FirstOrDefault(v => AccessorNames.AreSimilar(v, name));
    }
}

/// <summary>The functions <c>getOrder</c> and <c>setOrder</c> of a variable <c>order</c> or <c>Order</c>.</summary>
internal static class AccessorNames
{
    /// <summary>The name as it stands behind <c>get</c> and <c>set</c>: its first letter in upper case.</summary>
    public static string Capital(string name) => char.ToUpperInvariant(name[0]) + name[1..];

    /// <summary>What stands behind <c>get</c> or <c>set</c>; null for other functions.</summary>
    public static string? MemberOf(string function) =>
        function.Length > 3 && (function.StartsWith("get", StringComparison.Ordinal) || function.StartsWith("set", StringComparison.Ordinal))
            ? function[3..]
            : null;

    /// <summary>Whether an accessor's member is that of the name.</summary>
    public static bool IsOf(string name, string member) => AreSimilar(name, member) && char.ToUpperInvariant(member[0]) == member[0];

    /// <summary>The first letter may be of either case.</summary>
    public static bool AreSimilar(string one, string other) => one.Length == other.Length && one.Length > 0
        && char.ToUpperInvariant(one[0]) == char.ToUpperInvariant(other[0]) && one.AsSpan(1).SequenceEqual(other.AsSpan(1));
}
