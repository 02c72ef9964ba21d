using System.Reflection;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Scripting;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// The only class that touches Roslyn: its assemblies are loaded when a method of it runs for the first time.
/// Scripts are loaded here and not by Roslyn's own runner, which never unloads them.
/// </summary>
internal static class CSharpCompiler
{
    private const int MostErrors = 5;

    private static readonly string[] Libraries =
    [
        "System.Private.CoreLib", "System.Runtime", "System.Collections", "System.Collections.Concurrent", "System.Collections.Immutable",
        "System.ComponentModel.Primitives", "System.Console", "System.Diagnostics.Process", "System.Linq", "System.Linq.Expressions", "System.Memory",
        "System.Net.Http", "System.Net.Primitives", "System.ObjectModel", "System.Private.Uri", "System.Private.Xml", "System.Private.Xml.Linq",
        "System.Security.Cryptography", "System.Text.Json", "System.Text.RegularExpressions", "System.Threading", "System.Xml.ReaderWriter",
        "System.Xml.XDocument", "Microsoft.CSharp",
    ];

    // Not System.Threading: its ExecutionContext would stand beside the global of that name.
    private static readonly string[] Imports =
    [
        "System", "System.Collections.Generic", "System.Globalization", "System.IO", "System.Linq", "System.Text", "System.Text.Json",
        "System.Text.Json.Nodes", "System.Text.RegularExpressions", "System.Threading.Tasks",
    ];

    // The metadata of the base library, read once; it never changes while the process lives.
    private static readonly Lazy<MetadataReference[]> BaseReferences = new(
        () => [.. Libraries.Select(Assembly.Load).Append(typeof(CSharpCompiler).Assembly).Select(ReferenceTo)]);

    /// <param name="members">Declarations that are put before the script's first statement.</param>
    public static CompilerAnswer Compile(string source, string members, CSharpOptions options)
    {
        var script = CSharpScript.Create<object>(
            WithMembers(source, members),
            ScriptOptions.Default
                .WithReferences(BaseReferences.Value.Concat(options.References.Select(ReferenceTo)))
                .WithImports(Imports.Concat(options.Imports))
                .WithOptimizationLevel(OptimizationLevel.Release)
                .WithFileEncoding(Encoding.UTF8),
            typeof(CSharpGlobals));
        var compilation = script.GetCompilation();
        using var assembly = new MemoryStream();
        using var symbols = new MemoryStream();
        var result = compilation.Emit(assembly, symbols, options: new EmitOptions(debugInformationFormat: DebugInformationFormat.PortablePdb));
        if (!result.Success)
            return Refusal(result.Diagnostics);
        assembly.Position = symbols.Position = 0;
        var entry = compilation.GetEntryPoint(CancellationToken.None)!;
        return new(new CSharpCode(assembly, symbols, entry.ContainingType.MetadataName, entry.MetadataName));
    }

    /// <summary>The first error of a text that cannot be C#; what its names mean is not looked at. Null when it can.</summary>
    public static (string Message, int Line, int Column)? SyntaxErrorOf(string source)
    {
        var tree = CSharpSyntaxTree.ParseText(source, CSharpParseOptions.Default.WithKind(SourceCodeKind.Script));
        var first = tree.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error).MinBy(d => d.Location.SourceSpan.Start);
        if (first is null)
            return null;
        var place = PositionOf(first);
        return ($"{first.Id}: {first.GetMessage()}", place.Line, place.Column);
    }

    /// <summary>Puts declarations behind the using and reference directives, which must come first; positions stay those of the source.</summary>
    private static string WithMembers(string source, string members)
    {
        var tree = CSharpSyntaxTree.ParseText(source, CSharpParseOptions.Default.WithKind(SourceCodeKind.Script));
        var root = tree.GetCompilationUnitRoot();
        var at = root.Usings.Select(u => u.FullSpan.End)
            .Concat(root.Externs.Select(e => e.FullSpan.End))
            .Concat(root.GetReferenceDirectives().Select(r => r.FullSpan.End))
            .Concat(root.GetLoadDirectives().Select(l => l.FullSpan.End))
            .DefaultIfEmpty(0)
            .Max();
        var place = tree.GetText().Lines.GetLinePosition(at);
        return new StringBuilder()
            .Append("#line 1 \"script\"\n").Append(source, 0, at).Append('\n')
            .Append("#line hidden\n").Append(members).Append('\n')
            .Append("#line ").Append(place.Line + 1).Append(" \"script\"\n")
            .Append(' ', place.Character).Append(source, at, source.Length - at)
            .ToString();
    }

    private static CompilerAnswer Refusal(IEnumerable<Diagnostic> diagnostics)
    {
        var errors = diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error)
            .Select(d => (Position: PositionOf(d), Text: $"{d.Id}: {d.GetMessage()}"))
            .OrderBy(e => e.Position.Line)
            .ThenBy(e => e.Position.Column)
            .ToList();
        var texts = errors.Take(MostErrors).Select(e => $"{e.Text} ({e.Position})");
        var more = errors.Count > MostErrors ? $" And {errors.Count - MostErrors} more." : "";
        return new(null, $"The C# does not compile. {string.Join(" ", texts)}{more}", errors[0].Position);
    }

    private static ScriptPosition PositionOf(Diagnostic diagnostic)
    {
        var start = diagnostic.Location.GetMappedLineSpan().StartLinePosition;
        return new(start.Line + 1, start.Character + 1);
    }

    private static MetadataReference ReferenceTo(Assembly assembly) => MetadataReference.CreateFromFile(assembly.Location);
}
