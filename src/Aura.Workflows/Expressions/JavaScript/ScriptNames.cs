using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A name that a script uses, and where: counted from 1.</summary>
internal sealed record ScriptName(string Name, int Line, int Column);

/// <summary>
/// What a script asks of its workflow, as far as its text tells: members of <c>variables</c>, generated accessors, and the variables
/// that it makes itself with <c>setVariable</c>.
/// </summary>
internal sealed class ScriptNames
{
    private readonly string _source;
    private readonly HashSet<string> _declared = new(StringComparer.Ordinal);
    private readonly List<(string Name, int Position)> _variables = [];
    private readonly List<(string Name, int Position)> _calls = [];
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);

    private ScriptNames(string source) => _source = source;

    /// <summary>Members of <c>variables</c> that are read or written by name.</summary>
    public IEnumerable<ScriptName> Variables => _declared.Contains("variables") ? [] : _variables.OrderBy(v => v.Position).Select(Place);

    /// <summary>Called functions that the script does not declare.</summary>
    public IEnumerable<ScriptName> Calls => _calls.Where(c => !_declared.Contains(c.Name)).OrderBy(c => c.Position).Select(Place);

    /// <summary>The names that it hands to <c>setVariable</c>.</summary>
    public IReadOnlySet<string> Made => _made;

    /// <summary>True: a name handed to <c>setVariable</c> is computed, so any variable may come into being.</summary>
    public bool MakesAny { get; private set; }

    /// <exception cref="ScriptSyntaxException">The text is not a script.</exception>
    public static ScriptNames Of(string source)
    {
        var names = new ScriptNames(source);
        FunctionSyntax script;
        try
        {
            script = Parser.ParseScript(source);
            // Some errors show only there, such as a second declaration of one name.
            _ = Compiler.Compile(source, script);
        }
        catch (ScriptLimitException e)
        {
            throw new ScriptSyntaxException(e.Message, 1, 1);
        }

        names.Visit(script);
        return names;
    }

    private ScriptName Place((string Name, int Position) found)
    {
        var (line, column) = SourcePosition.Of(_source, found.Position);
        return new(found.Name, line, column);
    }

    /// <summary>Without recursion: a chain of operators may be thousands of nodes deep.</summary>
    private void Visit(FunctionSyntax script)
    {
        var todo = new Stack<object?>([script]);
        while (todo.TryPop(out var part))
        {
            switch (part)
            {
                case null or string or JsValue or Enum:
                    break;
                case IEnumerable items:
                    foreach (var item in items)
                        todo.Push(item);
                    break;
                case ITuple tuple:
                    for (var i = 0; i < tuple.Length; i++)
                        todo.Push(tuple[i]);
                    break;
                case Syntax or KeySyntax or ElementSyntax or CaseSyntax or DeclaratorSyntax:
                    Note(part);
                    foreach (var property in part.GetType().GetProperties(BindingFlags.Instance | BindingFlags.Public))
                        todo.Push(property.GetValue(part));
                    break;
            }
        }
    }

    private void Note(object syntax)
    {
        switch (syntax)
        {
            case MemberSyntax { Object: IdentifierSyntax { Name: "variables" }, Key: var key } member when NameOf(key) is { } name:
                _variables.Add((name, member.Position));
                break;
            case CallSyntax { Callee: IdentifierSyntax callee } call:
                _calls.Add((callee.Name, callee.Position));
                if (callee.Name == "setVariable")
                    NoteMade(call.Arguments);
                break;
            case FunctionSyntax function:
                _declared.Add(function.Name);
                foreach (var parameter in function.Parameters)
                    Declare(parameter.Target);
                Declare(function.Rest);
                break;
            case ClassSyntax type:
                _declared.Add(type.Name);
                break;
            case DeclaratorSyntax declarator:
                Declare(declarator.Target);
                break;
            case ForEachSyntax { Declaration: not null } loop:
                Declare(loop.Target);
                break;
            case TrySyntax attempt:
                Declare(attempt.CatchTarget);
                break;
        }
    }

    private void NoteMade(IReadOnlyList<ExpressionSyntax> arguments)
    {
        if (arguments is [LiteralSyntax { Value: var name }, ..] && name.IsString)
            _made.Add(name.AsString());
        else
            MakesAny = true;
    }

    private void Declare(ExpressionSyntax? target)
    {
        switch (target)
        {
            case IdentifierSyntax identifier:
                _declared.Add(identifier.Name);
                break;
            case ArrayPatternSyntax array:
                foreach (var element in array.Elements)
                    Declare(element?.Target);
                Declare(array.Rest);
                break;
            case ObjectPatternSyntax members:
                foreach (var (_, element) in members.Properties)
                    Declare(element.Target);
                Declare(members.Rest);
                break;
        }
    }

    private static string? NameOf(KeySyntax key) => key switch
    {
        { IsPrivate: true } => null,
        { Name: { } name } => name,
        { Computed: LiteralSyntax { Value: var value } } when value.IsString => value.AsString(),
        _ => null,
    };
}
