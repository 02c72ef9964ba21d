using System.Runtime.InteropServices;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>Where something stands in a script, counted from 1.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ScriptPosition(int Line, int Column)
{
    public override string ToString() => $"{Line}:{Column}";
}

/// <summary>A text that is not C#, or that names what there is not.</summary>
public sealed class CSharpSyntaxException : Exception
{
    internal CSharpSyntaxException(string message, ScriptPosition position)
        : base(message)
    {
        Line = position.Line;
        Column = position.Column;
    }

    /// <summary>Of the first error, counted from 1.</summary>
    public int Line { get; }

    /// <summary>Of the first error, counted from 1.</summary>
    public int Column { get; }
}

/// <summary>A script that threw. The inner exception is what it threw.</summary>
public sealed class CSharpScriptException : Exception
{
    internal CSharpScriptException(Exception thrown, ScriptPosition? position)
        : base($"{thrown.GetType().Name}: {thrown.Message}{(position is { } place ? $" ({place})" : "")}", thrown)
    {
        Line = position?.Line;
        Column = position?.Column;
    }

    /// <summary>Of the statement that threw, counted from 1; null when it is not the script's own.</summary>
    public int? Line { get; }

    /// <summary>Of the statement that threw, counted from 1.</summary>
    public int? Column { get; }
}
