using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Settings of JavaScript in workflows.</summary>
public sealed class JavaScriptOptions
{
    /// <summary>The budgets of one evaluation.</summary>
    public ScriptLimits Limits { get; set; } = ScriptLimits.Default;
}

/// <summary>Runs scripts for activities: expressions of type JavaScript, and RunJavaScript.</summary>
internal sealed partial class JavaScriptEvaluator(IScriptEngine engine, IOptions<JavaScriptOptions> options, ILogger<JavaScriptEvaluator> logger)
{
    private static readonly Dictionary<string, object?> NoArguments = [];

    /// <summary>Evaluates an expression's value. Null for a blank text.</summary>
    public static object? Evaluate(JsonElement expression, Type target, ActivityExecutionContext context)
    {
        var source = expression.ValueKind == JsonValueKind.String ? expression.GetString()! : expression.GetRawText();
        var value = context.GetRequiredService<JavaScriptEvaluator>().Run(source, new ActivityScriptContext(context), context.CancellationToken);
        return value is DateTimeOffset moment && target == typeof(string) ? moment.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'") : value;
    }

    /// <param name="outcomes">Receives what the script sets with <c>setOutcome(s)</c>; null where there are none to set.</param>
    public object? Run(string source, IScriptContext context, CancellationToken cancellationToken, ICollection<string>? outcomes = null)
    {
        if (string.IsNullOrWhiteSpace(source))
            return null;
        return engine.Compile(source).Run(
            new()
            {
                Globals = new JavaScriptGlobals(context, NoArguments, outcomes),
                Limits = options.Value.Limits,
                Log = line => LogLine(logger, context.InstanceId, line),
            },
            cancellationToken);
    }

    [LoggerMessage(1150, LogLevel.Information, "Script of instance {Instance}: {Line}")]
    private static partial void LogLine(ILogger logger, string instance, string line);
}

/// <summary>Registration of JavaScript.</summary>
internal static class JavaScriptServices
{
    public static IServiceCollection AddJavaScript(this IServiceCollection services)
    {
        services.AddOptions<JavaScriptOptions>();
        services.TryAddSingleton<IScriptEngine>(s => new JavaScriptEngine(s.GetRequiredService<TimeProvider>()));
        services.TryAddSingleton<JavaScriptEvaluator>();
        services.AddSingleton(Definitions.ExpressionDescriptor.Script("JavaScript", "javascript"));
        return services;
    }
}
