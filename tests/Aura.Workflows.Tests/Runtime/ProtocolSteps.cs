namespace Aura.Workflows.Tests.Runtime;

/// <summary>A step that the world can take, and where it leads.</summary>
/// <param name="Actor">A or B for a host's own doing, R for a third host that reaps, T for time.</param>
/// <param name="IsFault">Something that goes wrong; each takes one from <see cref="World.Faults"/>.</param>
internal sealed record ProtocolStep(char Actor, string Name, bool IsFault, World Next);

/// <summary>
/// All that can happen next in a world. Each step of a host is one statement or transaction of the engine. A host that stands still is one
/// that takes no step while others and the time do.
/// </summary>
internal sealed class ProtocolSteps(ProtocolDatabase database)
{
    /// <summary>Broken rules that showed while a step was taken.</summary>
    public List<string> Violations { get; } = [];

    public async Task<List<ProtocolStep>> OfAsync(World world)
    {
        var steps = new List<ProtocolStep>();
        foreach (var host in "AB".Where(h => world.Of(h).IsAlive))
        {
            if (world.Db.Step < 0)
            {
                if (host == 'A')
                    await StartAsync(world, steps);
                continue;
            }

            await LivenessAsync(world, host, steps);
            await BurstsAsync(world, host, steps);
            await TasksAsync(world, host, steps);
            await GroupAsync(world, host, steps);
        }

        if (world.A.IsAlive)
            Add(steps, world, new('A', "crash", true, world.With('A', ModelHost.Dead)));
        foreach (var host in "AB".Where(h => world.Db.HostOf(h) != HostRow.Absent))
        {
            var process = world.Of(host);
            var (after, reaped) = await database.ReapAsync(world.Db, host, process is { IsAlive: true, IsRegistered: true });
            if (reaped)
                Add(steps, world, new('R', $"reap {host}", false, world with { Db = after }));
            if (world.Db.HostOf(host) == HostRow.Fresh)
                Add(steps, world, new('T', $"silence {host}", process.IsAlive, world with { Db = world.Db.WithHost(host, HostRow.Silent) }));
        }

        if (world.Db is { Task: { Owner: not '-' } task, TaskIsOverdue: false })
        {
            var isWorkedOn = world.A.Attempts.Concat(world.B.Attempts).Contains(task.Fence);
            Add(steps, world, new('T', "task overdue", isWorkedOn, world with { Db = world.Db with { TaskIsOverdue = true } }));
        }

        return steps;
    }

    private async Task StartAsync(World world, List<ProtocolStep> steps)
    {
        var unit = new ModelUnit(UnitKind.Start, 'A', 1, 0, false, null, []);
        var (after, outcomes) = await database.CommitAsync(world.Db, [unit]);
        var started = world with { Db = after };
        if (outcomes[0].Owned)
            started = started.With('A', world.A with { Bursts = [new(1, 0, [])] });
        Add(steps, world, new('A', "start", false, started));
        if (!world.A.IsRegistered)
            Add(steps, world, new('A', "register", false, (world with { Db = await database.RegisterAsync(world.Db, 'A') }).With('A', world.A with { IsRegistered = true })));
    }

    private async Task LivenessAsync(World world, char host, List<ProtocolStep> steps)
    {
        var process = world.Of(host);
        if (!process.IsRegistered)
        {
            Add(steps, world, new(host, "register", false, (world with { Db = await database.RegisterAsync(world.Db, host) }).With(host, process with { IsRegistered = true })));
        }
        else
        {
            // The session that holds its lock is cut; the row stands.
            Add(steps, world, new(host, "session cut", true, world.With(host, process with { IsRegistered = false })));
            if (world.Db.HostOf(host) != HostRow.Fresh)
            {
                var (after, stood) = await database.HeartbeatAsync(world.Db, host);
                Add(steps, world, new(host, "heartbeat", false, (world with { Db = after }).With(host, process with { IsRegistered = stood })));
            }
        }

        if (process.Suspects)
        {
            var after = await database.FreeForgottenAsync(world.Db, host, [.. process.Bursts.Select(b => b.Fence)]);
            Add(steps, world, new(host, "free forgotten", false, (world with { Db = after }).With(host, process with { Suspects = false })));
        }
    }

    private async Task BurstsAsync(World world, char host, List<ProtocolStep> steps)
    {
        var process = world.Of(host);
        if (process.Bursts.Length < 2 && !process.Suspects)
        {
            var (after, burst) = await database.ClaimAsync(world.Db, host);
            if (burst is not null)
            {
                if (world.Db.Instance.Owner != '-' || burst.Fence <= world.Db.Instance.Fence || burst.Step != world.Db.Step)
                    Violations.Add($"{host} claimed what was not free, or not as it stands: {world.Key}");
                var claimed = world with { Db = after };
                Add(steps, world, new(host, "claim", false, claimed.With(host, process with { Bursts = [.. process.Bursts, burst] })));
                Add(steps, world, new(host, "claim, cut off", true, claimed.With(host, process with { Suspects = true })));
            }
        }

        foreach (var burst in process.Bursts)
        {
            Add(steps, world, new(host, "commit", false, await CommitAsync(world, host, [burst], [])));
            Add(steps, world, new(host, "release", true,
                (world with { Db = await database.ReleaseAsync(world.Db, host, burst.Fence) }).With(host, process with { Bursts = Without(process.Bursts, burst) })));
        }
    }

    private async Task TasksAsync(World world, char host, List<ProtocolStep> steps)
    {
        var process = world.Of(host);
        if (process.Attempts.Length < 2 && world.Db.Task is { } before)
        {
            var (after, fence) = await database.ClaimTaskAsync(world.Db, host);
            if (fence is { } claimed)
            {
                if ((before.Owner != '-' && !world.Db.TaskIsOverdue) || claimed <= before.Fence)
                    Violations.Add($"{host} claimed a task that was not free: {world.Key}");
                Add(steps, world, new(host, "claim task", false, (world with { Db = after }).With(host, process with { Attempts = [.. process.Attempts, claimed] })));
            }
        }

        foreach (var fence in process.Attempts)
        {
            var ended = process with { Attempts = Without(process.Attempts, fence) };
            if (world.Db.Task?.Fence != fence || world.Db.TaskIsOverdue)
            {
                var (beaten, held) = await database.HeartbeatTaskAsync(world.Db, fence);
                Add(steps, world, new(host, "task heartbeat", false, (world with { Db = beaten }).With(host, held ? process : ended)));
            }

            Add(steps, world, new(host, "answer", false, await CommitAsync(world, host, [], [fence])));
            Add(steps, world, new(host, "retry later", true, (world with { Db = await database.RetryTaskAsync(world.Db, fence) }).With(host, ended)));
            Add(steps, world, new(host, "hand back", true, (world with { Db = await database.HandBackTaskAsync(world.Db, fence) }).With(host, ended)));
        }
    }

    /// <summary>What a host has ready goes out together.</summary>
    private async Task GroupAsync(World world, char host, List<ProtocolStep> steps)
    {
        var process = world.Of(host);
        if (process.Bursts.Length + process.Attempts.Length > 1)
            Add(steps, world, new(host, "commit all", false, await CommitAsync(world, host, process.Bursts, process.Attempts)));
    }

    /// <summary>As the committer does it: all, or, when some have lost their lease, the others.</summary>
    private async Task<World> CommitAsync(World world, char host, IReadOnlyList<Burst> bursts, IReadOnlyList<int> attempts)
    {
        List<ModelUnit> units = [.. bursts.Select(b => UnitOf(host, b)), .. attempts.Select(f => new ModelUnit(UnitKind.Answer, host, f, 0, false, 't', []))];
        var accepted = new List<ModelUnit>();
        var after = world.Db;
        while (units.Count > 0)
        {
            var (committed, outcomes) = await database.CommitAsync(world.Db, units);
            if (outcomes.All(o => o.Found))
            {
                accepted = units;
                after = committed;
                break;
            }

            units = [.. units.Where((_, i) => outcomes[i].Found)];
        }

        foreach (var unit in accepted)
        {
            var isRight = unit.Kind == UnitKind.Answer
                ? world.Db.Task?.Fence == unit.Fence
                : world.Db.Instance == new ModelLease(host, unit.Fence) && world.Db.Step < 3;
            if (!isRight)
                Violations.Add($"accepted under a lost lease: {unit} in {world.Key}");
        }

        if (accepted.GroupBy(u => u.Kind).Any(g => g.Count() > 1))
            Violations.Add($"two commits accepted for one lease: {string.Join(" + ", accepted)} in {world.Key}");
        var process = world.Of(host);
        var left = process.Bursts.Except(bursts).ToList();
        // A burst goes on after its checkpoint; all others are over, accepted or not.
        left.AddRange(accepted.Where(u => u.KeepLease).Select(u => new Burst(u.Fence, u.ToStep, [])));
        return (world with { Db = after }).With(host, process with { Bursts = [.. left], Attempts = [.. process.Attempts.Except(attempts)] });
    }

    private static ModelUnit UnitOf(char host, Burst burst)
    {
        int[] consumed = [.. burst.Messages.Select(m => m.Id)];
        return burst.Step switch
        {
            0 => new(UnitKind.Burst, host, burst.Fence, 1, true, 'a', consumed),
            1 => new(UnitKind.Burst, host, burst.Fence, 2, false, 'b', consumed),
            _ when burst.Messages.Any(m => m.Kind == 'T') => new(UnitKind.Burst, host, burst.Fence, 3, false, 'd', consumed),
            _ => new(UnitKind.Burst, host, burst.Fence, 2, false, null, consumed),
        };
    }

    private static void Add(List<ProtocolStep> steps, World from, ProtocolStep step)
    {
        if (step.IsFault && from.Faults == 0)
            return;
        steps.Add(step with { Next = (step.IsFault ? step.Next with { Faults = from.Faults - 1 } : step.Next).Canonical() });
    }

    private static T[] Without<T>(T[] items, T item) => [.. items.Where(i => !EqualityComparer<T>.Default.Equals(i, item))];
}
