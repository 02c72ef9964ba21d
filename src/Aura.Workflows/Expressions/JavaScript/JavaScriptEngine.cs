using System.Collections.Concurrent;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>The engine's own JavaScript: an interpreter without access to anything that it is not handed.</summary>
/// <param name="time">The clock of <c>Date</c> and of the time limit.</param>
/// <param name="capacity">How many compiled scripts are kept.</param>
internal sealed class JavaScriptEngine(TimeProvider time, int capacity = 1000) : IScriptEngine
{
    private const int LongestKept = 64 * 1024;

    private readonly ConcurrentDictionary<string, Entry> _scripts = new(StringComparer.Ordinal);
    private long _uses;

    public IScript Compile(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (!_scripts.TryGetValue(source, out var entry))
        {
            entry = new(new CompiledScript(source, time));
            if (source.Length <= LongestKept)
                Keep(entry);
        }

        entry.LastUse = Interlocked.Increment(ref _uses);
        return entry.Script;
    }

    private void Keep(Entry entry)
    {
        if (_scripts.Count >= capacity)
        {
            foreach (var (source, _) in _scripts.ToArray().OrderBy(e => e.Value.LastUse).Take((capacity / 2) + 1))
                _scripts.TryRemove(source, out _);
        }

        _scripts.TryAdd(entry.Script.Source, entry);
    }

    private sealed class Entry(CompiledScript script)
    {
        public CompiledScript Script => script;

        public long LastUse { get; set; }
    }
}

/// <inheritdoc />
internal sealed class CompiledScript : IScript
{
    private readonly FunctionCode _code;
    private readonly TimeProvider _time;

    public CompiledScript(string source, TimeProvider time)
    {
        Source = source;
        _time = time;
        try
        {
            _code = Compiler.Compile(source, Parser.ParseScript(source));
        }
        catch (ScriptLimitException e)
        {
            throw new ScriptSyntaxException(e.Message, 1, 1);
        }
    }

    public string Source { get; }

    public object? Run(ScriptRun run, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        cancellationToken.ThrowIfCancellationRequested();
        var realm = new Realm(Source, run, new(run.Limits, _time, cancellationToken));
        try
        {
            var result = HostValues.Export(realm, Execute(realm));
            realm.WriteBack();
            return result;
        }
        catch (JsThrow thrown)
        {
            var (line, column) = SourcePosition.Of(Source, thrown.Position);
            var message = thrown.Value.As<JsError>() is { } error ? error.ToString() : $"Uncaught {realm.Display(thrown.Value)}";
            throw new ScriptException(message, line, column, thrown.InnerException);
        }
    }

    private JsValue Execute(Realm realm)
    {
        var frame = new Frame(realm, new(_code.SlotCount, null), null, null, []);
        _code.Prepare(frame);
        _code.Body(frame);
        var result = frame.Result.As<JsPromise>() is null ? frame.Result : realm.Jobs.Await(frame.Result);
        if (realm.HasJobs)
            realm.Jobs.RunToEnd();
        return result;
    }
}
