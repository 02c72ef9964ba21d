using System.Reflection;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>What C# in workflows sees besides the .NET base library. It runs only with <see cref="WorkflowsOptions.AllowCSharp"/>.</summary>
public sealed class CSharpOptions
{
    /// <summary>Assemblies of the host that scripts may use.</summary>
    public ICollection<Assembly> References { get; } = [];

    /// <summary>Namespaces that every script imports.</summary>
    public ICollection<string> Imports { get; } = [];

    /// <summary>Compiled scripts that are kept; the least recently used ones are unloaded first.</summary>
    public int MaxCachedScripts { get; set; } = 500;
}

/// <summary>Runs C# for activities: expressions of type CSharp, and RunCSharp. Loads the compiler with the first script, not before.</summary>
internal sealed class CSharpEvaluator(IOptions<WorkflowsOptions> workflows, CSharpCache cache)
{
    public const string ExpressionType = "CSharp";

    public const string SwitchedOff =
        "C# is switched off on this host. It has all the power of the host's process, so it is for trusted authors only; "
        + "to allow it set WorkflowsOptions.AllowCSharp (Aura's host: AURA_ALLOW_CSHARP=true).";

    /// <summary>Evaluates an expression's value. Null for a blank text.</summary>
    public static object? Evaluate(JsonElement expression, Type target, ActivityExecutionContext context)
    {
        var source = expression.ValueKind == JsonValueKind.String ? expression.GetString()! : expression.GetRawText();
        var run = context.GetRequiredService<CSharpEvaluator>().RunAsync(source, target, context);
#pragma warning disable VSTHRD002 // Expressions are evaluated in line. Nearly all are done by now; the others go on on pool threads.
        return run.GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
    }

    /// <param name="source">An expression, or statements whose result is a <c>return</c> or the last expression.</param>
    /// <param name="target">What the result is wanted as.</param>
    /// <param name="outcomes">Receives what the script sets with <c>Outcome.Set</c>; null where there are none to set.</param>
    /// <exception cref="NotSupportedException">This host does not allow C#.</exception>
    /// <exception cref="CSharpSyntaxException">The text is not C#.</exception>
    /// <exception cref="CSharpScriptException">The script threw, or its result cannot leave it.</exception>
    public async Task<object?> RunAsync(string source, Type target, ActivityExecutionContext context, ICollection<string>? outcomes = null)
    {
        if (!workflows.Value.AllowCSharp)
            throw new NotSupportedException(SwitchedOff);
        if (string.IsNullOrWhiteSpace(source))
            return null;
        var cancellationToken = context.CancellationToken;
        var code = cache.Get(source, CSharpMembers.Declare(source, context));
        var globals = new CSharpGlobals(context, outcomes);
        try
        {
            var result = ScriptValues.Leave(await ScriptTurns.RunAsync(() => code.Run(globals), cancellationToken), target);
            globals.ExecutionContext.WriteBack();
            return result;
        }
        // The edge of a script: whatever it throws gets the place where it was thrown.
        catch (Exception e) when (!(e is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            throw new CSharpScriptException(e, code.PositionOf(e));
        }
    }
}

/// <summary>Registration of C#.</summary>
internal static class CSharpServices
{
    public static IServiceCollection AddCSharp(this IServiceCollection services)
    {
        services.AddOptions<CSharpOptions>();
        services.TryAddSingleton(s => new CSharpCache(s.GetRequiredService<IOptions<CSharpOptions>>().Value));
        services.TryAddSingleton<CSharpEvaluator>();
        // Which types there are is known only when the host's options are.
        services.TryAddSingleton(s => s.GetRequiredService<IOptions<WorkflowsOptions>>().Value.AllowCSharp
            ? new ExpressionTypes(s.GetServices<ExpressionDescriptor>().Append(ExpressionDescriptor.Script(CSharpEvaluator.ExpressionType, "csharp")))
            : new ExpressionTypes(
                s.GetServices<ExpressionDescriptor>(),
                new Dictionary<string, string>(StringComparer.Ordinal) { [CSharpEvaluator.ExpressionType] = CSharpEvaluator.SwitchedOff }));
        return services;
    }
}
