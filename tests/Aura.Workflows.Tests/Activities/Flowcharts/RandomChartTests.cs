namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>Thousands of random charts through the real engine, waits resumed in random order, state through JSON at each wait.</summary>
public sealed class RandomChartTests
{
    private const int MaxResumes = 60;

    [Theory]
    [InlineData(true, 1500)]
    [InlineData(false, 1500)]
    public async Task ExactRules_RandomChart_GiveTheOraclesTrace(bool token, int charts)
    {
        for (var seed = 0; seed < charts; seed++)
        {
            var random = new RandomCharts(seed);
            var chart = random.Next(loops: seed % 2 == 0, blocks: seed % 3 > 0, ends: true);
            var model = chart.ToModel(token).Go();
            var run = await FlowRun.StartAsync(chart, token, exact: true);
            for (var i = 0; i < MaxResumes; i++)
            {
                Same(model, run, seed, chart);
                if (model.Done || model.Fault is not null || run.Waiting.Count == 0)
                    break;
                var next = run.Waiting[random.Random.Next(run.Waiting.Count)];
                model.Resume(next);
                await run.ResumeAsync(next);
            }
        }
    }

    /// <summary>Whatever the chart, it ends when nothing is left to wait for, and runs nothing that nobody asked for.</summary>
    [Fact]
    public async Task TokenMode_AnyChart_EndsAndRunsNothingUnasked()
    {
        for (var seed = 0; seed < 1500; seed++)
        {
            var random = new RandomCharts(seed);
            var chart = random.Next(loops: seed % 2 == 0, blocks: seed % 3 > 0, ends: true);

            var run = await RunAsync(random, chart, token: true, seed);

            if (run is null)
                continue;
            run.IsDone.ShouldBeTrue($"seed {seed}, {run.Show()}: {chart}");
            AssertNoneRunsUnasked(chart, run, seed);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BothModes_ChartWithoutLoops_RunsNothingTwiceAndEnds(bool token)
    {
        for (var seed = 0; seed < 1200; seed++)
        {
            var random = new RandomCharts(seed);
            var chart = random.Next(loops: false, blocks: seed % 3 > 0, merges: ["Merge", "Converge", "Cascade", "Race"]);

            var run = await RunAsync(random, chart, token, seed);

            run.ShouldNotBeNull();
            run.IsDone.ShouldBeTrue($"seed {seed}, {run.Show()}: {chart}");
            run.Started.ShouldBeUnique($"seed {seed}: {chart}");
            AssertNoneRunsUnasked(chart, run, seed);
        }
    }

    /// <summary>Without races all that is asked for runs. Then both modes, and Elsa's counter mode, run the same activities.</summary>
    [Fact]
    public async Task BothModes_ChartWithoutLoopsAndRaces_RunAllThatIsReachedJustOnce()
    {
        for (var seed = 0; seed < 1200; seed++)
        {
            var chart = new RandomCharts(seed).Next(loops: false, blocks: seed % 3 > 0, joins: ["WaitAllActive"], merges: ["Merge", "Converge"]);
            var reached = new HashSet<string> { chart.Start };
            foreach (var (id, kind, _) in chart.Activities.Where(a => reached.Contains(a.Id)))
            {
                foreach (var (_, port, target) in chart.Arrows.Where(a => a.S == id))
                {
                    if (kind != "switch" || chart.Scripts[id][0].Contains(port))
                        reached.Add(target);
                }
            }

            foreach (var (token, exact) in new[] { (true, false), (false, false), (false, true) })
            {
                var run = await RunAsync(new(seed), chart, token, seed, exact);

                run!.IsDone.ShouldBeTrue($"seed {seed}, {run.Show()}: {chart}");
                run.Started.Order().ShouldBe(reached.Order(), $"seed {seed}, token {token}, exact {exact}: {chart}");
            }
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BothModes_LoopAroundAChart_RunsAllOnceInEachPass(bool token)
    {
        for (var seed = 0; seed < 800; seed++)
        {
            var random = new RandomCharts(seed);
            var (chart, passes) = random.NextLoop(blocks: seed % 3 > 0, joins: ["WaitAllActive", "WaitAll"], merges: ["Merge"]);

            var run = await RunAsync(random, chart, token, seed);

            run!.IsDone.ShouldBeTrue($"seed {seed}, {run.Show()}: {chart}");
            foreach (var activity in run.Started.CountBy(id => id))
                activity.Value.ShouldBe(passes, $"seed {seed}, activity {activity.Key}: {chart}");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BothModes_RacesInALoop_LetTheTailRunOnceInEachPass(bool token)
    {
        for (var seed = 0; seed < 800; seed++)
        {
            var random = new RandomCharts(seed);
            var (chart, passes) = random.NextLoop(blocks: seed % 3 > 0, joins: ["WaitAny"], merges: token ? ["Race", "Merge", "Cascade"] : []);

            var run = await RunAsync(random, chart, token, seed);

            run!.IsDone.ShouldBeTrue($"seed {seed}, {run.Show()}: {chart}");
            foreach (var activity in run.Started.CountBy(id => id))
                activity.Value.ShouldBeLessThanOrEqualTo(passes, $"seed {seed}, activity {activity.Key}: {chart}");
            run.Started.Count(id => id == chart.Activities[^1].Id).ShouldBe(passes, $"seed {seed}, {run.Show()}: {chart}");
        }
    }

    /// <summary>Legs of equal length and no path dead: there Elsa does what its author wants, so nothing may differ.</summary>
    [Fact]
    public async Task TokenMode_LegsOfEqualLength_GiveElsasTrace()
    {
        var compared = 0;
        for (var seed = 0; seed < 1500; seed++)
        {
            var chart = new RandomCharts(seed).NextLevelled(joins: ["WaitAll", "WaitAllActive", "WaitAny"], merges: ["Stream", "Merge", "Race"]);
            var elsa = chart.ToModel(token: true).Go();
            // A dead path before a merge hangs in Elsa; two ports of one switch into one activity run it twice.
            if (!elsa.Done || elsa.Started.Distinct().Count() != elsa.Started.Count)
                continue;

            var run = await FlowRun.StartAsync(chart, token: true);

            run.Started.ShouldBe(elsa.Started, $"seed {seed}: {chart}");
            compared++;
        }

        compared.ShouldBeGreaterThan(500);
    }

    [Fact]
    public async Task CounterMode_ChartWithoutWaitAny_GivesElsasTrace()
    {
        for (var seed = 0; seed < 1000; seed++)
        {
            var random = new RandomCharts(seed);
            var chart = random.Next(loops: seed % 2 == 0, blocks: false, joins: ["WaitAll", "WaitAllActive"], merges: [], ends: true);
            var elsa = chart.ToModel(token: false).Go();

            var run = await FlowRun.StartAsync(chart, token: false);

            Same(elsa, run, seed, chart);
        }
    }

    private static async Task<FlowRun?> RunAsync(RandomCharts random, TestChart chart, bool token, int seed, bool exact = false)
    {
        var run = await FlowRun.StartAsync(chart, token, exact);
        for (var i = 0; run.Waiting.Count > 0; i++)
        {
            if (i == MaxResumes)
                return null;
            await run.ResumeAsync(run.Waiting[random.Random.Next(run.Waiting.Count)]);
        }

        return run;
    }

    /// <summary>No activity runs more often than arrows into it have been followed.</summary>
    private static void AssertNoneRunsUnasked(TestChart chart, FlowRun run, int seed)
    {
        var arrivals = run.Completed
            .SelectMany(c => chart.Arrows.Where(a => a.S == c.Id && c.Outcomes.Contains(a.P)))
            .CountBy(a => a.T)
            .ToDictionary();
        foreach (var (id, runs) in run.Started.CountBy(id => id))
            runs.ShouldBeLessThanOrEqualTo(arrivals.GetValueOrDefault(id) + (id == chart.Start ? 1 : 0), $"seed {seed}, activity {id}: {chart}");
    }

    private static void Same(FlowModel model, FlowRun run, int seed, TestChart chart)
    {
        run.Started.ShouldBe(model.Started, $"seed {seed}: {chart}");
        var expected = model.Fault is not null ? "fault" : model.Done ? "done" : model.Blocked.Any() ? "waits" : "hangs";
        var actual = run.IsDone ? "done" : run.Hangs ? "hangs" : run.State.SubStatus == WorkflowSubStatus.Faulted ? "fault" : "waits";
        actual.ShouldBe(expected, $"seed {seed}, {run.Show()}: {chart}");
        if (expected == "waits")
            run.Waiting.Order().ShouldBe(model.Blocked.Order(), $"seed {seed}: {chart}");
    }
}
