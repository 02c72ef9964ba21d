using System.Diagnostics;
using System.Reflection;
using System.Runtime.Loader;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// A compiled script. It holds no state: any number of threads may run it at once. Its assembly is unloaded some time
/// after the last reference to it has gone.
/// </summary>
internal sealed class CSharpCode
{
    private readonly Assembly _assembly;
    private readonly Func<object?[], Task<object>> _entry;

    public CSharpCode(Stream assembly, Stream symbols, string typeName, string methodName)
    {
        var loader = new AssemblyLoadContext(null, isCollectible: true);
        _assembly = loader.LoadFromStream(assembly, symbols);
        _entry = _assembly.GetType(typeName, throwOnError: true)!
            .GetMethod(methodName, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!
            .CreateDelegate<Func<object?[], Task<object>>>();
    }

    /// <summary>Starts a run with fields of its own.</summary>
    public Task<object> Run(CSharpGlobals globals) => _entry([globals, null]);

    /// <summary>The innermost place in the script that the exception came through; null when it came through none.</summary>
    public ScriptPosition? PositionOf(Exception exception)
    {
        foreach (var thrown in new[] { exception, exception.GetBaseException() })
        {
            foreach (var frame in new StackTrace(thrown, fNeedFileInfo: true).GetFrames())
            {
                if (frame.GetFileLineNumber() > 0 && frame.GetMethod()?.DeclaringType?.Assembly == _assembly)
                    return new(frame.GetFileLineNumber(), frame.GetFileColumnNumber());
            }
        }

        return null;
    }
}
