using System.Text;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>Random flowcharts: what the validator says of ways and cycles is what a look at all pairs of activities says.</summary>
public sealed class FlowRouteTests
{
    private static readonly ActivityRegistry Registry = new();

    [Theory]
    [InlineData(20261121, 2_000)]
    public async Task Validate_RandomFlowcharts_AgreesWithBruteForce(int seed, int count)
    {
        var random = new Random(seed);
        var kinds = new HashSet<string>();
        for (var i = 0; i < count; i++)
        {
            var chart = RandomChart.Make(random);
            var found = await Examination.FindingsAsync(WorkflowDefinition.Parse(chart.Json, "random"), Registry, new([]));

            var why = $"seed {seed}, chart {i}: {chart.Json}";
            found.Where(f => f.Code == ValidationCodes.Unreachable).Select(f => f.ActivityId!).Order().ShouldBe(chart.Unreachable(), why);
            found.Where(f => f.Code == ValidationCodes.EndlessCycle).Select(f => (f.ActivityId!, f.IsError)).Order().ShouldBe(chart.Cycles(), why);
            kinds.UnionWith(found.Select(f => $"{f.Code} {f.IsError}"));
        }

        // The charts are varied enough to meet every case.
        kinds.ShouldBeSubsetOf(["unreachable False", "endless-cycle True", "endless-cycle False", "unknown-port True", "unknown-port False", "no-start False"]);
        kinds.Count.ShouldBe(6);
    }

    private sealed class RandomChart
    {
        private static readonly Dictionary<string, string[]> Outcomes = new()
        {
            ["Elsa.WriteLine"] = ["Done"],
            ["Elsa.Delay"] = ["Done"],
            ["Elsa.FlowDecision"] = ["True", "False"],
            ["Elsa.End"] = [],
        };

        private readonly List<string> _types = [];
        private readonly List<(int From, string Port, int To)> _arrows = [];

        public string Json
        {
            get
            {
                var activities = _types.Select((t, i) =>
                    $$"""{"type":"{{t}}","id":"a{{i}}"{{(t == "Elsa.Delay" ? ""","timeSpan":"00:00:01" """ : "")}}}""");
                var arrows = _arrows.Select(a =>
                    $$"""{"source":{"activity":"a{{a.From}}","port":"{{a.Port}}"},"target":{"activity":"a{{a.To}}","port":"In"} }""");
                return new StringBuilder("""{"definitionId":"d","root":{"type":"Elsa.Flowchart","id":"flow","activities":[""")
                    .AppendJoin(',', activities).Append("],\"connections\":[").AppendJoin(',', arrows).Append("]}}").ToString();
            }
        }

        public static RandomChart Make(Random random)
        {
            var chart = new RandomChart();
            var count = random.Next(1, 8);
            var choices = Outcomes.Keys.ToList();
            for (var i = 0; i < count; i++)
                chart._types.Add(choices[random.Next(choices.Count)]);
            for (var i = random.Next(2 * count); i > 0; i--)
            {
                var from = random.Next(count);
                var own = Outcomes[chart._types[from]];
                // Now and then one that the activity does not have.
                var port = own.Length == 0 || random.Next(12) == 0 ? "Else" : own[random.Next(own.Length)];
                var arrow = (from, port, random.Next(count));
                if (!chart._arrows.Contains(arrow))
                    chart._arrows.Add(arrow);
            }

            return chart;
        }

        public IEnumerable<string> Unreachable()
        {
            var leads = Leads();
            var start = Start;
            return Enumerable.Range(0, _types.Count).Where(i => !leads[start, i]).Select(i => $"a{i}").Order();
        }

        /// <summary>The first activity of each set whose members all lead to one another and to nothing else, and from which nothing ends.</summary>
        public IEnumerable<(string, bool)> Cycles()
        {
            var leads = Leads();
            var all = Enumerable.Range(0, _types.Count).ToList();
            var trapped = all.Where(i => leads[Start, i] && !all.Exists(e => leads[i, e] && Ends(e))).ToList();
            var last = trapped.Where(i => all.TrueForAll(j => !leads[i, j] || leads[j, i])).ToList();
            var forks = _arrows.GroupBy(a => (a.From, a.Port)).Any(g => g.Count() > 1);
            return last.Select(i => all.Where(j => leads[i, j]).ToList())
                .DistinctBy(c => c[0])
                .Select(c => ($"a{c[0]}", !forks && c.TrueForAll(j => _types[j] is "Elsa.WriteLine" or "Elsa.FlowDecision")))
                .Order();
        }

        private int Start => Enumerable.Range(0, _types.Count).FirstOrDefault(i => !_arrows.Exists(a => a.To == i));

        private bool Ends(int activity) =>
            _types[activity] == "Elsa.End" || Outcomes[_types[activity]].Any(o => !_arrows.Exists(a => a.From == activity && a.Port == o));

        /// <summary>Every pair, by Warshall's algorithm.</summary>
        private bool[,] Leads()
        {
            var n = _types.Count;
            var leads = new bool[n, n];
            for (var i = 0; i < n; i++)
                leads[i, i] = true;
            foreach (var (from, port, to) in _arrows.Where(a => Outcomes[_types[a.From]].Contains(a.Port)))
                leads[from, to] = true;
            for (var k = 0; k < n; k++)
            {
                for (var i = 0; i < n; i++)
                {
                    for (var j = 0; j < n; j++)
                        leads[i, j] |= leads[i, k] && leads[k, j];
                }
            }

            return leads;
        }
    }
}
