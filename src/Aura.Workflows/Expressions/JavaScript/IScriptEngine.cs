namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Compiles scripts. Implementations are safe to share between threads.</summary>
public interface IScriptEngine
{
    /// <summary>Compiles a text, or returns the script that was compiled from the same text before.</summary>
    /// <param name="source">One expression, or statements whose result is a <c>return</c> or the last expression statement.</param>
    /// <exception cref="ScriptSyntaxException">The text is not a script.</exception>
    IScript Compile(string source);
}

/// <summary>A compiled script. It holds no state: any number of threads may run it at once.</summary>
public interface IScript
{
    /// <summary>The text it was compiled from.</summary>
    string Source { get; }

    /// <summary>Runs the script on the caller's thread, with a global scope of its own.</summary>
    /// <returns>A plain value: null, bool, string, long, double, DateTimeOffset, List&lt;object?&gt; or Dictionary&lt;string, object?&gt;.</returns>
    /// <exception cref="ScriptException">The script threw, or its result cannot leave.</exception>
    /// <exception cref="ScriptLimitException">A budget of <see cref="ScriptRun.Limits"/> is used up.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled: that is the host's wish, not the script's fault.</exception>
    object? Run(ScriptRun run, CancellationToken cancellationToken = default);
}

/// <summary>What one run of a script gets from its host.</summary>
public sealed record ScriptRun
{
    /// <summary>Names that the script sees beside the language's own; they win over those.</summary>
    public IHostObject? Globals { get; init; }

    public ScriptLimits Limits { get; init; } = ScriptLimits.Default;

    /// <summary>Receives the lines of <c>console.log</c> and its kin.</summary>
    public Action<string>? Log { get; init; }
}

/// <summary>The budgets of one run.</summary>
public sealed record ScriptLimits
{
    public static ScriptLimits Default { get; } = new();

    /// <summary>Wall-clock time.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Statements, calls, loop turns, and the work of library functions counted by element.</summary>
    public long MaxSteps { get; init; } = 5_000_000;

    /// <summary>Bytes that the run may allocate in all; what is garbage by now counts too.</summary>
    public long MaxBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Calls inside calls.</summary>
    public int MaxDepth { get; init; } = 200;
}

/// <summary>A function of the host. Arguments and result are plain values; a <see cref="Task"/> reaches the script as a promise.</summary>
public delegate object? HostFunction(IReadOnlyList<object?> arguments);

/// <summary>An object of the host. Scripts read copies; a copy that the script changed is set again when the run has succeeded.</summary>
public interface IHostObject
{
    IEnumerable<string> Keys { get; }

    /// <summary>
    /// Returns the same reference while the value is the same: that is how the engine sees
    /// whether someone else has set it since the script took its copy.
    /// </summary>
    bool TryGet(string name, out object? value);

    /// <returns>False when there is no such member to write.</returns>
    bool TrySet(string name, object? value);
}

/// <summary>Base of all that can go wrong with a script.</summary>
public abstract class ScriptingException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A text that is not a script.</summary>
public sealed class ScriptSyntaxException(string message, int line, int column) : ScriptingException($"{message} ({line}:{column})")
{
    /// <summary>Counted from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Counted from 1.</summary>
    public int Column { get; } = column;
}

/// <summary>An error that the script threw and nothing in it caught.</summary>
public sealed class ScriptException(string message, int line, int column, Exception? inner = null)
    : ScriptingException($"{message} ({line}:{column})", inner)
{
    /// <summary>The message as the script wrote it, with the error's name.</summary>
    public string ScriptMessage { get; } = message;

    /// <summary>Counted from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Counted from 1.</summary>
    public int Column { get; } = column;
}

/// <summary>A run that used up one of its budgets. Scripts cannot catch it, and their finally blocks do not run.</summary>
public sealed class ScriptLimitException(string message) : ScriptingException(message);
