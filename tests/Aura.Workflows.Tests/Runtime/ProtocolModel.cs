using System.Globalization;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>A message in <c>wf.messages</c>. <paramref name="Kind"/> is its first letter: Start or Task.</summary>
internal readonly record struct ModelMessage(int Id, char Kind);

/// <summary>A lease. <paramref name="Owner"/> is '-' where nobody holds it.</summary>
internal readonly record struct ModelLease(char Owner, int Fence);

/// <summary>What a host's row says: absent, alive by its lease, or silent for longer than it.</summary>
internal enum HostRow
{
    Absent,
    Fresh,
    Silent,
}

/// <summary>What stands in the database about one instance, its one task and the hosts.</summary>
/// <param name="Step">0 begun, 1 after the checkpoint, 2 waiting for the task, 3 finished; -1 there is none.</param>
/// <param name="Task">The task's lease; null when there is no task.</param>
/// <param name="Effects">What has really happened, as the steps' letters in order.</param>
internal sealed record Database(
    int Step, ModelLease Instance, ModelMessage[] Messages, ModelLease? Task, bool TaskIsOverdue, HostRow A, HostRow B, string Effects)
{
    public HostRow HostOf(char host) => host == 'A' ? A : B;

    public Database WithHost(char host, HostRow row) => host == 'A' ? this with { A = row } : this with { B = row };

    public bool IsDone => Step == 3 && Messages.Length == 0 && Task is null && Instance.Owner == '-';

    public string Key => string.Create(
        CultureInfo.InvariantCulture,
        $"{Step}{Instance.Owner}{Instance.Fence}/{string.Concat(Messages.Select(m => $"{m.Id}{m.Kind}"))}/{Task?.Owner}{Task?.Fence}{(TaskIsOverdue ? "!" : "")}/{(int)A}{(int)B}/{Effects}");
}

/// <summary>A burst in a host's memory: the lease under which it runs, the step from which it goes on, the messages that it has not yet used up.</summary>
internal sealed record Burst(int Fence, int Step, ModelMessage[] Messages)
{
    public string Key => string.Create(CultureInfo.InvariantCulture, $"{Fence}.{Step}.{string.Concat(Messages.Select(m => $"{m.Id}{m.Kind}"))}");
}

/// <summary>A host's process.</summary>
/// <param name="IsRegistered">It believes that its row stands.</param>
/// <param name="Suspects">A claim of it was cut off: it may own what it does not run.</param>
/// <param name="Attempts">The fences under which it works on the task.</param>
internal sealed record ModelHost(bool IsAlive, bool IsRegistered, bool Suspects, Burst[] Bursts, int[] Attempts)
{
    public static readonly ModelHost New = new(true, false, false, [], []);

    public static readonly ModelHost Dead = new(false, false, false, [], []);

    public string Key => string.Create(
        CultureInfo.InvariantCulture,
        $"{(IsAlive ? 1 : 0)}{(IsRegistered ? 1 : 0)}{(Suspects ? 1 : 0)}[{string.Join(',', Bursts.Select(b => b.Key))}][{string.Join(',', Attempts)}]");
}

/// <summary>Everything: what is stored, and what the two hosts believe. Only A can crash; both can stand still for as long as they like.</summary>
/// <param name="Faults">How many things may still go wrong.</param>
internal sealed record World(Database Db, ModelHost A, ModelHost B, int Faults)
{
    public string Key => $"{Db.Key} {A.Key} {B.Key} {Faults}";

    public ModelHost Of(char host) => host == 'A' ? A : B;

    public World With(char host, ModelHost process) => host == 'A' ? this with { A = process } : this with { B = process };

    /// <summary>
    /// The same world with small numbers. Fences and message ids are only ever compared: what counts is their order, so that worlds which
    /// differ in nothing else are one.
    /// </summary>
    public World Canonical()
    {
        var fences = Rank([Db.Instance.Fence, .. A.Bursts.Select(b => b.Fence), .. B.Bursts.Select(b => b.Fence)], 0);
        var taskFences = Rank([.. Db.Task is { } t ? (int[])[t.Fence] : [], .. A.Attempts, .. B.Attempts], 0);
        var ids = Rank([.. Db.Messages.Select(m => m.Id), .. A.Bursts.Concat(B.Bursts).SelectMany(b => b.Messages).Select(m => m.Id)], 1);
        return this with
        {
            Db = Db with
            {
                Instance = Db.Instance with { Fence = fences[Db.Instance.Fence] },
                Messages = Renumber(Db.Messages),
                Task = Db.Task is { } task ? task with { Fence = taskFences[task.Fence] } : null,
            },
            A = Renamed(A),
            B = Renamed(B),
        };

        ModelHost Renamed(ModelHost process) => process with
        {
            Bursts = [.. process.Bursts.Select(b => new Burst(fences[b.Fence], b.Step, Renumber(b.Messages))).OrderBy(b => b.Key, StringComparer.Ordinal)],
            Attempts = [.. process.Attempts.Select(a => taskFences[a]).Order()],
        };

        ModelMessage[] Renumber(ModelMessage[] messages) => [.. messages.Select(m => m with { Id = ids[m.Id] })];
    }

    private static Dictionary<int, int> Rank(IEnumerable<int> values, int first) =>
        values.Distinct().Order().Select((v, i) => (v, i)).ToDictionary(p => p.v, p => p.i + first);
}
