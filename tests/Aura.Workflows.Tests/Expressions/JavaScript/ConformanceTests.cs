using System.Text.Json.Nodes;
using Aura.Workflows.Expressions.JavaScript;

namespace Aura.Workflows.Tests.Expressions.JavaScript;

/// <summary>
/// Runs the tables in Conformance/. A row is <c>source -&gt; expected</c>, where ⏎ in the source is a line break and
/// the expected part is JSON, or <c>! message</c> of an uncaught error, or <c>!! message</c> of a syntax error.
/// </summary>
public sealed class ConformanceTests
{
    private const string Arrow = " -> ";

    public static TheoryData<string, string, string> Rows()
    {
        var rows = new TheoryData<string, string, string>();
        var assembly = typeof(ConformanceTests).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith("Conformance/", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            while (reader.ReadLine() is { } line)
            {
                var arrow = line.LastIndexOf(Arrow, StringComparison.Ordinal);
                rows.Add(name["Conformance/".Length..], line[..arrow].Replace('⏎', '\n'), line[(arrow + Arrow.Length)..]);
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Run_RowOfTable_GivesWhatJavaScriptGives(string topic, string source, string expected)
    {
        topic.ShouldNotBeEmpty();

        var actual = Outcome(source);

        if (expected.StartsWith('!') || actual.StartsWith('!'))
            actual.ShouldBe(expected);
        else
            JsonNode.DeepEquals(JsonNode.Parse(actual), JsonNode.Parse(expected)).ShouldBeTrue($"{actual} instead of {expected}");
    }

    [Fact]
    public void Rows_AllTables_AreThere() => Rows().Count.ShouldBeGreaterThan(1200);

    private static string Outcome(string source)
    {
        try
        {
            return Scripts.RunToJson(source);
        }
        catch (ScriptException e)
        {
            return "! " + e.ScriptMessage;
        }
        catch (ScriptSyntaxException e)
        {
            return "!! " + e.Message;
        }
    }
}
