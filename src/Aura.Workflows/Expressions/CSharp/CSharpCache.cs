using Aura.Workflows.Definitions;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>Compiled scripts by text. However many ask for one text at once, it is compiled once; errors are kept too.</summary>
internal sealed class CSharpCache(CSharpOptions options)
{
    private readonly RecentCache<Lazy<CompilerAnswer>> _answers = new(options.MaxCachedScripts);
    private readonly Lock _adding = new();
    private int _compilations;

    public int Count => _answers.Count;

    /// <summary>How often the compiler was asked.</summary>
    public int Compilations => _compilations;

    /// <param name="members">Declarations that the script sees; part of what it is known by.</param>
    /// <exception cref="CSharpSyntaxException">The text is not C#.</exception>
    public CSharpCode Get(string source, string members)
    {
        var answer = Find(members + '\0' + source, () => Compile(source, members)).Value;
        return answer.Code ?? throw new CSharpSyntaxException(answer.Errors, answer.Position);
    }

    private Lazy<CompilerAnswer> Find(string key, Func<CompilerAnswer> compile)
    {
        if (_answers.Find(key) is { } known)
            return known;
        lock (_adding)
        {
            if (_answers.Find(key) is { } added)
                return added;
            var answer = new Lazy<CompilerAnswer>(() =>
            {
                try
                {
                    return compile();
                }
                catch
                {
                    // Not the script's fault (an assembly that cannot be read, no memory): the next caller tries again.
                    _answers.Remove(key);
                    throw;
                }
            });
            _answers.Set(key, answer);
            return answer;
        }
    }

    private CompilerAnswer Compile(string source, string members)
    {
        Interlocked.Increment(ref _compilations);
        return CSharpCompiler.Compile(source, members, options);
    }
}

/// <summary>Code, or what is wrong with the text.</summary>
internal sealed record CompilerAnswer(CSharpCode? Code, string Errors = "", ScriptPosition Position = default);
