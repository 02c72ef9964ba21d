using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Aura.Workflows.Expressions.CSharp;

namespace Aura.Workflows.Tests.Expressions.CSharp;

/// <summary>Compiled once, kept for a while, unloaded then; and no compiler where no script runs.</summary>
public sealed class CSharpCacheTests
{
    private const string Count = """ "variables":[{"id":"v1","name":"Count","typeName":"Int32","value":"4"}] """;

    [Fact]
    public async Task Evaluate_OneTextFromManyThreads_CompilesOnceAndRunsApart()
    {
        using var host = new ScriptHost();
        var answers = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(
            () => host.Evaluator.RunAsync("var n = 0; for (var i = 0; i < 1000; i++) n++; n", typeof(int), host.Context))));

        answers.ShouldAllBe(a => Equals(a, 1000));
        host.Cache.Compilations.ShouldBe(1);
    }

    [Fact]
    public void Evaluate_WhereOnlyUnnamedVariablesDiffer_SharesTheCode()
    {
        using var host = new ScriptHost(Count);
        host.Evaluate<int>("Variables.Count").ShouldBe(4);
        host.Context.SetVariable("Other", 1);
        host.Evaluate<int>("Variables.Count").ShouldBe(4);
        host.Cache.Compilations.ShouldBe(1);

        // The same text means another thing where the variable has another type.
        host.Context.Declare(new VariableSlot("v1", "Count", "String", "four"));
        ((IVariableContainer)host.Workflow.Graph.Root.Activity).Variables.Clear();
        host.Evaluate<string>("Variables.Count").ShouldBe("four");
        host.Cache.Compilations.ShouldBe(2);
    }

    [Fact]
    public void Evaluate_MoreTextsThanAreKept_DropsTheOldest()
    {
        using var host = new ScriptHost(configure: o => o.MaxCachedScripts = 3);

        for (var n = 0; n < 8; n++)
        {
            host.Evaluate<int>($"{n} + 0").ShouldBe(n);
            host.Cache.Count.ShouldBeLessThanOrEqualTo(3);
        }

        host.Evaluate<int>("7 + 0").ShouldBe(7);
        host.Cache.Compilations.ShouldBe(8);
        host.Evaluate<int>("0 + 0").ShouldBe(0);
        host.Cache.Compilations.ShouldBe(9);
    }

    [Fact]
    public void Evaluate_DroppedText_IsUnloaded()
    {
        using var host = new ScriptHost(Count, configure: o => o.MaxCachedScripts = 1);
        var loader = LoaderOf(host);
        host.Evaluate<int>("1").ShouldBe(1);

        for (var i = 0; i < 50 && loader.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        loader.IsAlive.ShouldBeFalse();
    }

    [Fact]
    public void Evaluate_WithReferencesAndImports_SeesTheHostsTypes()
    {
        using var host = new ScriptHost(configure: o =>
        {
            o.References.Add(typeof(Shouldly.ShouldBeTestExtensions).Assembly);
            o.Imports.Add("Shouldly");
        });

        host.Evaluate<string>("typeof(ShouldBeTestExtensions).Name").ShouldBe(nameof(ShouldBeTestExtensions));
    }

    [Fact]
    public void Roslyn_IsTouchedByTheCompilerOnly()
    {
        const BindingFlags all =
            BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        var touching = typeof(CSharpCompiler).Assembly.GetTypes()
            .Where(t => t.GetFields(all).Select(f => f.FieldType)
                .Concat(t.GetMethods(all).SelectMany(m => m.GetParameters().Select(p => p.ParameterType).Append(m.ReturnType)))
                .Concat(t.GetMethods(all).SelectMany(m => m.GetMethodBody()?.LocalVariables.Select(v => v.LocalType) ?? []))
                .Append(t.BaseType ?? typeof(object))
                .Any(u => u.ToString().Contains("Microsoft.CodeAnalysis", StringComparison.Ordinal)))
            .Select(t => t.FullName!.Split('+')[0])
            .Distinct();

        // Embedded attributes of the language itself live in that namespace too.
        touching.Where(t => !t.StartsWith("Microsoft.CodeAnalysis", StringComparison.Ordinal)).ShouldBe([typeof(CSharpCompiler).FullName!]);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference LoaderOf(ScriptHost host) => new(AssemblyLoadContext.GetLoadContext(host.Evaluate<Assembly>(
        "record Line(int N); Variables.Set(\"Count\", new[] { new Line(3) }.Sum(l => l.N)); "
        + "System.Reflection.Assembly.GetExecutingAssembly()")!));
}
