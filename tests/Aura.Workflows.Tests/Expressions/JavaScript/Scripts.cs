using System.Text.Encodings.Web;
using System.Text.Json;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>Runs scripts the way the tests need it.</summary>
internal static class Scripts
{
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static IScriptEngine Engine { get; } = new JavaScriptEngine(TimeProvider.System);

    public static object? Run(string source, ScriptRun? run = null, CancellationToken cancellationToken = default) =>
        Engine.Compile(source).Run(run ?? new(), cancellationToken);

    public static object? Run(string source, params (string Name, object? Value)[] globals) => Run(source, new ScriptRun { Globals = new Globals(globals) });

    public static string RunToJson(string source, params (string Name, object? Value)[] globals) => JsonSerializer.Serialize(Run(source, globals), Relaxed);

    /// <summary>A host object over a dictionary.</summary>
    internal sealed class Globals : IHostObject
    {
        public Globals(params (string Name, object? Value)[] values)
        {
            foreach (var (name, value) in values)
                Values[name] = value;
        }

        public Dictionary<string, object?> Values { get; } = new(StringComparer.Ordinal);

        public IEnumerable<string> Keys => Values.Keys;

        public bool TryGet(string name, out object? value) => Values.TryGetValue(name, out value);

        public bool TrySet(string name, object? value)
        {
            if (!Values.ContainsKey(name))
                return false;
            Values[name] = value;
            return true;
        }
    }
}
