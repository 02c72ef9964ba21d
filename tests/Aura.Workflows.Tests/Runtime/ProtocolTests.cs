using System.Globalization;
using Aura.Testing;
using Xunit.Sdk;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>
/// Two hosts, one instance with a checkpoint and a durable task, a reaper and the time: every order in which their steps can come, with
/// faults at any point, carried out by the engine's own statements.
/// </summary>
public sealed class ProtocolTests(TestDatabase testDatabase, ITestOutputHelper output) : IClassFixture<TestDatabase>
{
    private const int LongestSchedule = 80;

    [Theory]
    [InlineData(true, 2, 5_000)]
    [InlineData(false, 2, 4_400)]
    public async Task Protocol_AnyOrderWithFaults_KeepsItsPromises(bool startsOnHost, int faults, int floor)
    {
        await using var database = await ProtocolDatabase.OpenAsync(testDatabase.ConnectionString);
        var steps = new ProtocolSteps(database);
        var start = startsOnHost
            ? new World(new(-1, new('-', 0), [], null, false, HostRow.Absent, HostRow.Absent, ""), ModelHost.New, ModelHost.New, faults)
            : new World(new(0, new('-', 0), [new(1, 'S')], null, false, HostRow.Absent, HostRow.Absent, ""), ModelHost.New, ModelHost.New, faults);

        var graph = await ExploreAsync(start, steps);
        var lively = 0;
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in graph.Values.Where(n => n.World.Db.Step >= 0))
        {
            // One host alone, the other silent for ever; and both, when nothing more goes wrong.
            await FinishesAsync(node, node.World with { A = ModelHost.Dead, Faults = 0 }, "alone", steps, known, graph);
            await FinishesAsync(node, node.World with { Faults = 0 }, "together", steps, known, graph);
            lively += 2;
        }

        var schedules = Schedules(graph, start.Canonical().Key);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{graph.Count} states, {graph.Values.Sum(n => n.Steps.Count)} transitions, {schedules:0.00e+0} schedules that finish within {LongestSchedule} steps, "
            + $"{lively} runs to the end from there, {database.Executed} steps carried out by PostgreSQL"));
        graph.Count.ShouldBeGreaterThan(floor);
        schedules.ShouldBeGreaterThan(1e6);
    }

    private static async Task<Dictionary<string, Node>> ExploreAsync(World start, ProtocolSteps steps)
    {
        start = start.Canonical();
        var graph = new Dictionary<string, Node>(StringComparer.Ordinal) { [start.Key] = new(start, null, "begin") };
        var todo = new Queue<Node>(graph.Values);
        while (todo.TryDequeue(out var node))
        {
            if (BrokenRule(node.World) is { } broken)
                throw Failure(broken, node, graph);
            var next = await steps.OfAsync(node.World);
            if (steps.Violations.Count > 0)
                throw Failure(steps.Violations[0], node, graph);
            foreach (var step in next)
            {
                var key = step.Next.Key;
                node.Steps.Add(key);
                if (graph.ContainsKey(key))
                    continue;
                graph[key] = new(step.Next, node.World.Key, $"{step.Actor}: {step.Name}");
                todo.Enqueue(graph[key]);
            }
        }

        return graph;
    }

    /// <summary>What must hold in every state.</summary>
    private static string? BrokenRule(World world)
    {
        var db = world.Db;
        if (db.Step < 0)
            return null;
        var results = db.Messages.Count(m => m.Kind == 'T');
        var owners = world.A.Bursts.Count(b => db.Instance == new ModelLease('A', b.Fence)) + world.B.Bursts.Count(b => db.Instance == new ModelLease('B', b.Fence));
        return (db.Step, db.Effects) switch
        {
            (0, "") or (1, "a") or (2, "ab") or (2, "abt") or (3, "abdt") => null,
            _ => "the effects are not those of the steps that were committed, each once",
        }
        ?? (results == (db.Effects == "abt" ? 1 : 0) ? null : "a task's result stands twice, or is lost")
        ?? (db.Task is not null == (db.Effects == "ab") ? null : "the task is there when it must not be, or is lost")
        ?? (owners <= 1 ? null : "two bursts hold the instance")
        ?? (db.Instance.Owner == '-' || db.HostOf(db.Instance.Owner) != HostRow.Absent ? null : "the instance belongs to a host that nobody can reap")
        ?? (db.Step == 3 || db.Instance.Owner != '-' || db.Messages.Length > 0 || db.Task is not null ? null : "nothing will ever wake the instance");
    }

    /// <summary>Lets healthy hosts run from a state until the instance has finished.</summary>
    private static async Task FinishesAsync(Node node, World world, string how, ProtocolSteps steps, HashSet<string> known, Dictionary<string, Node> graph)
    {
        var path = new List<string>();
        var taken = new List<string>();
        world = world.Canonical();
        while (!world.Db.IsDone || world.A.Bursts.Length + world.B.Bursts.Length > 0)
        {
            if (known.Contains(world.Key))
                break;
            path.Add(world.Key);
            var next = (await steps.OfAsync(world)).Where(s => !s.IsFault).OrderBy(Rank).FirstOrDefault();
            if (next is null || path.Count > LongestSchedule)
                throw Failure($"{how}, it does not finish; it went on with {string.Join(" | ", taken)} to {world.Key}", node, graph);
            taken.Add($"{next.Actor}: {next.Name}");
            world = next.Next;
        }

        known.UnionWith(path);
    }

    /// <summary>In this order a healthy host does what there is to do; time passes only when nobody has anything to do.</summary>
    private static int Rank(ProtocolStep step) => step.Name switch
    {
        "register" or "heartbeat" => 0,
        _ when step.Actor == 'R' => 1,
        "free forgotten" => 2,
        "task heartbeat" => 3,
        "commit" or "answer" => 4,
        "claim" or "claim task" => 5,
        "task overdue" => 6,
        _ => 7,
    };

    private static double Schedules(Dictionary<string, Node> graph, string start)
    {
        var ways = new Dictionary<string, double>(StringComparer.Ordinal) { [start] = 1 };
        var finished = 0.0;
        for (var length = 0; length < LongestSchedule && ways.Count > 0; length++)
        {
            var next = new Dictionary<string, double>(StringComparer.Ordinal);
            foreach (var (key, count) in ways)
            {
                if (graph[key].World.Db.IsDone)
                {
                    finished += count;
                    continue;
                }

                foreach (var target in graph[key].Steps)
                    next[target] = next.GetValueOrDefault(target) + count;
            }

            ways = next;
        }

        return finished;
    }

    private static XunitException Failure(string rule, Node node, Dictionary<string, Node> graph)
    {
        var trace = new List<string>();
        for (var at = node; at is not null; at = at.From is null ? null : graph[at.From])
            trace.Add($"{at.By,-20} {at.World.Key}");
        trace.Reverse();
        return new XunitException($"{rule}\n{string.Join('\n', trace)}");
    }

    private sealed record Node(World World, string? From, string By)
    {
        public List<string> Steps { get; } = [];
    }
}
