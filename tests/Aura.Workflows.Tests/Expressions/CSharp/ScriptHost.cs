using Aura.Workflows.Definitions;
using Aura.Workflows.Expressions;
using Aura.Workflows.Expressions.CSharp;
using Aura.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Workflows.Tests.Expressions.CSharp;

/// <summary>An instance in memory, at its root activity, where expressions can be evaluated.</summary>
internal sealed class ScriptHost : IDisposable
{
    private readonly ServiceProvider _services;

    /// <param name="members">Further members of the definition, such as its variables.</param>
    public ScriptHost(
        string members = "\"name\":\"Test\"", bool allow = true, Dictionary<string, object?>? input = null, Action<CSharpOptions>? configure = null,
        CancellationToken cancellationToken = default)
    {
        var services = new ServiceCollection().AddLogging();
        services.AddAuraWorkflows(o => o.AllowCSharp = allow);
        if (configure is not null)
            services.Configure(configure);
        _services = services.BuildServiceProvider();
        var definition = WorkflowDefinition.Parse(
            $$"""
            {"definitionId":"scripts","version":3,{{members}},
             "root":{"type":"Elsa.Sequence","activities":[{"type":"Elsa.WriteLine","id":"line","name":"Greeting"}]} }
            """,
            "test");
        var graph = new ActivityReader(_services.GetRequiredService<ActivityRegistry>()).Read(definition).Graph;
        Workflow = new("i-1", graph, "c-1", _services, cancellationToken) { Input = input ?? [] };
        Context = Workflow.CreateContext(new(graph.Root, null, null, null, default));
        Context.Status = ActivityStatus.Running;
    }

    public WorkflowExecutionContext Workflow { get; }

    public ActivityExecutionContext Context { get; }

    public CSharpEvaluator Evaluator => _services.GetRequiredService<CSharpEvaluator>();

    public CSharpCache Cache => _services.GetRequiredService<CSharpCache>();

    public object? this[string variable] => Context.FindVariable(null, variable)?.Value;

    public T? Evaluate<T>(string source) => (T?)ExpressionEvaluator.Evaluate(new Expression("CSharp", source), typeof(T), Context);

    public void Dispose() => _services.Dispose();
}
