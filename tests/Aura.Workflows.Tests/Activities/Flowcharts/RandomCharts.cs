namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>Random charts. Every loop goes through a switch that takes it a bounded number of times, so every chart ends.</summary>
internal sealed class RandomCharts(int seed)
{
    private static readonly string[] Ports = ["P", "Q"];
    private static readonly string[] Joins = ["WaitAny", "WaitAll", "WaitAllActive"];
    private static readonly string[] Merges = ["Stream", "Merge", "Converge", "Cascade", "Race"];

    public Random Random { get; } = new(seed);

    /// <param name="loops">Arrows back to anywhere.</param>
    /// <param name="joins">The join modes to take from; null for all.</param>
    /// <param name="merges">The merge modes to take from; null for all.</param>
    public TestChart Next(bool loops, bool blocks, string[]? joins = null, string[]? merges = null, bool ends = false)
    {
        var count = Random.Next(4, 10);
        var kinds = Enumerable.Range(0, count).Select(i => KindOf(i, blocks, joins ?? Joins, merges ?? Merges, ends)).ToList();
        var arrows = new List<(string S, string P, string T)>();
        for (var target = 1; target < count; target++)
        {
            // One arrow from somewhere before, so that most are reachable; more make merges.
            var sources = Random.Next(100) < 55 ? 1 : Random.Next(2, 4);
            for (var i = 0; i < sources; i++)
                arrows.Add(Arrow(kinds, Random.Next(target), target));
        }

        if (loops)
        {
            foreach (var source in Enumerable.Range(1, count - 1).Where(i => kinds[i].Kind == "switch" && Random.Next(100) < 60))
                arrows.Add((Name(source), "again", Name(Random.Next(source + 1))));
        }

        return Chart(kinds, arrows, i => Script(Name(i), arrows, Random.Next(1, 4)));
    }

    /// <summary>An acyclic body between one first and one last activity, run several times.</summary>
    public (TestChart Chart, int Passes) NextLoop(bool blocks, string[] joins, string[] merges)
    {
        var body = Next(loops: false, blocks, joins, merges);
        var passes = Random.Next(1, 4);
        var count = body.Activities.Count;
        var sinks = body.Activities.Select(a => a.Id).Where(id => body.Arrows.All(a => a.S != id)).ToList();
        var tail = Name(count);
        var kinds = body.Activities.Append((tail, "switch", null)).ToList();
        // Each switch always takes all its ports: then the tail is reached in every pass.
        var arrows = body.Arrows.Concat(sinks.Select(s => (s, body.Activities.Single(a => a.Id == s).Kind == "switch" ? "P" : "Done", tail)))
            .Append((tail, "again", body.Start)).ToList();
        var scripts = kinds.Where(k => k.Item2 == "switch" && k.Item1 != tail)
            .ToDictionary(k => k.Item1, _ => (IReadOnlyList<IReadOnlyList<string>>)[Ports]);
        scripts[tail] = [.. Enumerable.Repeat((IReadOnlyList<string>)["again"], passes - 1), ["Done"]];
        return (body with { Activities = kinds, Arrows = arrows, Scripts = scripts }, passes);
    }

    /// <summary>Activities in levels, arrows only from one level to the next: all legs are of equal length.</summary>
    public TestChart NextLevelled(string[] joins, string[] merges)
    {
        var levels = new List<List<int>> { new() { 0 } };
        var count = 1;
        for (var level = Random.Next(2, 5); level > 0; level--)
            levels.Add([.. Enumerable.Range(0, Random.Next(1, 4)).Select(_ => count++)]);
        var kinds = Enumerable.Range(0, count).Select(i => KindOf(i, false, joins, merges, false)).ToList();
        var arrows = new List<(string S, string P, string T)>();
        foreach (var (before, level) in levels.Zip(levels.Skip(1)))
        {
            foreach (var target in level)
            {
                foreach (var source in before.Where(_ => Random.Next(100) < 60).DefaultIfEmpty(before[0]))
                    arrows.Add(Arrow(kinds, source, target));
            }
        }

        return Chart(kinds, arrows, i => Script(Name(i), arrows, 1));
    }

    private static string Name(int index) => ((char)('a' + index)).ToString();

    private (string Kind, string? Setting) KindOf(int index, bool blocks, string[] joins, string[] merges, bool ends)
    {
        string? merge = index > 0 && merges.Length > 0 && Random.Next(100) < 30 ? merges[Random.Next(merges.Length)] : null;
        return Random.Next(100) switch
        {
            < 25 => ("switch", merge),
            < 40 when index > 0 && joins.Length > 0 => ("join", joins[Random.Next(joins.Length)]),
            < 60 when blocks => ("block", merge),
            < 63 when ends && index > 0 => ("end", null),
            _ => ("line", merge),
        };
    }

    private (string S, string P, string T) Arrow(List<(string Kind, string? Setting)> kinds, int source, int target) =>
        (Name(source), kinds[source].Kind == "switch" ? Ports[Random.Next(Ports.Length)] : "Done", Name(target));

    private static TestChart Chart(
        List<(string Kind, string? Setting)> kinds, List<(string S, string P, string T)> arrows,
        Func<int, IReadOnlyList<IReadOnlyList<string>>> script) => new()
        {
            Activities = [.. kinds.Select((k, i) => (Name(i), k.Kind, k.Setting))],
            Arrows = [.. arrows.Distinct()],
            Start = Name(0),
            Scripts = Enumerable.Range(0, kinds.Count).Where(i => kinds[i].Kind == "switch").ToDictionary(Name, script),
        };

    private IReadOnlyList<IReadOnlyList<string>> Script(string id, List<(string S, string P, string T)> arrows, int runs)
    {
        var goesBack = arrows.Exists(a => a.S == id && a.P == "again");
        return [.. Enumerable.Range(1, runs).Select(run =>
        {
            // The last outcomes are taken for all later runs: they must not go back.
            IEnumerable<string> outcomes = Random.Next(3) switch { 0 => ["P"], 1 => ["Q"], _ => Ports };
            return (IReadOnlyList<string>)[.. goesBack && run < runs && Random.Next(2) == 0 ? outcomes.Append("again") : outcomes];
        })];
    }
}
