using System.Globalization;
using System.Text.Json;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Tests.Runtime;

/// <summary>
/// Carries out the engine's own statements on a database that is in a given state, and says in which state it is then. Nothing is ever
/// committed: a state is written, one statement or transaction of the engine runs on it, the outcome is read, all is rolled back.
/// The same step on the same state is asked for once.
/// </summary>
internal sealed class ProtocolDatabase(NpgsqlConnection connection) : IAsyncDisposable
{
    private const string Instance = "i";
    private const string ActivityRun = "run";
    private const int LockClass = 987_654_302;

    /// <summary>A number whose lock another session holds, and one whose lock is free.</summary>
    private const int HeldNumber = 1_000_001;
    private const int FreeNumber = 1_000_002;

    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);
    private static readonly TaskPolicy Policy = new() { MaxAttempts = 1000 };

    private const string DumpSql = """
        SELECT coalesce((SELECT (CASE WHEN status = 'Finished' THEN '3' ELSE coalesce(state->>'step', '0') END) || ' ' || coalesce(owner, '-') || ' ' || fence FROM wf.instances), ''),
               coalesce((SELECT string_agg(id || ' ' || left(kind, 1), ',' ORDER BY id) FROM wf.messages), ''),
               coalesce((SELECT string_agg(coalesce(owner, '-') || ' ' || fence || ' ' || coalesce(lease_until < now(), false), ' and ') FROM wf.tasks), ''),
               coalesce((SELECT string_agg(id || ' ' || (lease_until < now()), ',' ORDER BY id) FROM wf.hosts), ''),
               coalesce((SELECT string_agg(step, '' ORDER BY step) FROM proto_effects), '')
        """;

    private readonly Dictionary<string, (Database After, object? Answer)> _known = new(StringComparer.Ordinal);
    private NpgsqlConnection? _other;
    private int _sinceVacuum;

    /// <summary>Steps that were carried out by PostgreSQL.</summary>
    public int Executed => _known.Count;

    public static async Task<ProtocolDatabase> OpenAsync(string connectionString)
    {
        var connection = new NpgsqlConnection(connectionString + ";Pooling=false;Max Auto Prepare=200;Auto Prepare Min Usages=2;Include Error Detail=true");
        await connection.OpenAsync();
        var database = new ProtocolDatabase(connection) { _other = new(connectionString + ";Pooling=false") };
        await database._other.OpenAsync();
        await using var held = new NpgsqlCommand($"SELECT pg_advisory_lock({LockClass}, {HeldNumber})", database._other);
        await held.ExecuteNonQueryAsync();
        await using var prepare = new NpgsqlCommand($"CREATE TABLE IF NOT EXISTS proto_effects (step text NOT NULL); {KeyedConnection.PlannerSettings}", connection);
        await prepare.ExecuteNonQueryAsync();
        return database;
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync();
        await _other!.DisposeAsync();
    }

    public async Task<Database> RegisterAsync(Database before, char host) => (await OnceAsync(before, $"register {host}", async _ =>
    {
        await ExecuteAsync(HostLiveness.RegisterSql, Id(host), "host", LockClass, Lease);
        await ExecuteAsync("SELECT pg_advisory_unlock_all()");
        return null;
    })).After;

    /// <returns>Whether the row still stood.</returns>
    public async Task<(Database After, bool Stood)> HeartbeatAsync(Database before, char host) =>
        Typed<bool>(await OnceAsync(before, $"beat {host}", async _ => await ExecuteAsync(HostLiveness.HeartbeatSql, Id(host), Lease) == 1));

    /// <summary>What every host does with another's row.</summary>
    /// <param name="isHeld">Whether the other's session still holds its lock.</param>
    public async Task<(Database After, bool Reaped)> ReapAsync(Database before, char host, bool isHeld) =>
        Typed<bool>(await OnceAsync(before, $"reap {host} {isHeld}", async _ =>
        {
            var number = isHeld ? HeldNumber : FreeNumber;
            if (await ScalarAsync(HostLiveness.LockGoneSql, LockClass, number, Id(host)) is null)
                return false;
            await ExecuteAsync(HostLiveness.FreeInstancesSql + " RETURNING id) " + HostLiveness.TellFreedSql, Id(host));
            await ExecuteAsync(HostLiveness.FreeTasksSql, Id(host));
            await ExecuteAsync(HostLiveness.ForgetSql, Id(host));
            return true;
        }));

    /// <returns>The burst that the claim gives; null when it found nothing.</returns>
    public async Task<(Database After, Burst? Burst)> ClaimAsync(Database before, char host)
    {
        var (after, answer) = await OnceAsync(before, $"claim {host}", async _ =>
        {
            await using var command = Command(BurstLoop.ClaimSql, Id(host), 8, DateTime.UnixEpoch);
            await using var reader = await command.ExecuteReaderAsync();
            var messages = new List<ModelMessage>();
            Burst? burst = null;
            while (await reader.ReadAsync())
            {
                messages.Add(new((int)reader.GetInt64(10), reader.GetString(11)[0]));
                burst = new((int)reader.GetInt64(7), JsonDocument.Parse(reader.GetString(9)).RootElement.GetProperty("step").GetInt32(), []);
            }

            return burst is null ? null : burst with { Messages = [.. messages] };
        });
        return (after, (Burst?)answer);
    }

    /// <returns>The fence of the attempt; null when there was nothing to claim.</returns>
    public async Task<(Database After, int? Fence)> ClaimTaskAsync(Database before, char host)
    {
        var (after, answer) = await OnceAsync(before, $"claim task {host}", async _ =>
        {
            await using var command = Command(TaskLoop.ClaimSql, Id(host), "", "\uffff", 8, Lease);
            await using var reader = await command.ExecuteReaderAsync();
            return await reader.ReadAsync() ? (int?)reader.GetInt64(11) : null;
        });
        return (after, (int?)answer);
    }

    public async Task<(Database After, bool Held)> HeartbeatTaskAsync(Database before, int fence) =>
        Typed<bool>(await OnceAsync(before, $"beat task {fence}", async task => await ExecuteAsync(TaskAttempts.HeartbeatSql, task, (long)fence, Lease) == 1));

    public async Task<Database> RetryTaskAsync(Database before, int fence) => (await OnceAsync(before, $"retry task {fence}", async task =>
        await ExecuteAsync(TaskAttempts.RetryLaterSql, task, (long)fence, TimeSpan.Zero, "failed"))).After;

    public async Task<Database> HandBackTaskAsync(Database before, int fence) =>
        (await OnceAsync(before, $"hand back task {fence}", async task => await ExecuteAsync(TaskAttempts.HandBackSql, task, (long)fence))).After;

    public async Task<Database> ReleaseAsync(Database before, char host, int fence) => (await OnceAsync(before, $"release {host} {fence}", async _ =>
        await ExecuteAsync(BurstLoop.ReleaseSql, Instance, (long)fence, Id(host), 0))).After;

    /// <param name="running">The fences under which the host runs bursts of the instance.</param>
    public async Task<Database> FreeForgottenAsync(Database before, char host, IReadOnlyList<int> running) =>
        (await OnceAsync(before, $"free forgotten {host} {string.Join(',', running)}", async _ => await ExecuteAsync(
            BurstLoop.FreeForgottenSql, Id(host), running.Select(_ => Instance).ToArray(), running.Select(f => (long)f).ToArray()))).After;

    /// <summary>One transaction of the committer. Only when every unit has found its row is it kept.</summary>
    /// <returns>For each unit whether it was accepted when all were, or found its row when not all did.</returns>
    public async Task<(Database After, UnitOutcome[] Outcomes)> CommitAsync(Database before, IReadOnlyList<ModelUnit> units)
    {
        var (after, answer) = await OnceAsync(before, "commit " + string.Join(" + ", units), async task =>
        {
            var commits = units.Select(u => UnitOf(u, task)).ToList();
            await using var batch = new NpgsqlBatch(connection);
            var heads = GroupStatements.Add(batch, commits, new());
            var found = new FoundRows();
            await using (var reader = await batch.ExecuteReaderAsync())
            {
                foreach (var head in heads)
                {
                    while (await reader.ReadAsync())
                        found.Add(head, reader);
                    await reader.NextResultAsync();
                }
            }

            return commits.Select(u => new UnitOutcome(!found.Lost(u), found.Owned(u))).ToArray();
        });
        var outcomes = (UnitOutcome[])answer!;
        return (outcomes.All(o => o.Found) ? after : before, outcomes);
    }

    private static CommitUnit UnitOf(ModelUnit unit, long task) => unit.Kind switch
    {
        UnitKind.Start => new()
        {
            Instances = [new(Instance, "d", "v", 1, null, null, null, null, new()) { Owner = Id(unit.Host) }],
        },
        UnitKind.Answer => new()
        {
            Task = new(task, unit.Fence, "Test.Work"),
            Messages = [new(Instance, MessageKind.Task, ActivityRun, null)],
            Effects = [Effect('t')],
        },
        _ => new()
        {
            Instance = new(
                Instance, Id(unit.Host), unit.Fence, unit.ToStep == 3 ? WorkflowStatus.Finished : WorkflowStatus.Running,
                unit.ToStep == 3 ? WorkflowSubStatus.Finished : WorkflowSubStatus.Suspended, null, null, 0,
                JsonSerializer.SerializeToUtf8Bytes(new { step = unit.ToStep }), unit.KeepLease),
            Consumed = [.. unit.Consumed.Select(id => (long)id)],
            Tasks = unit.Effect == 'b' ? [new(Instance, string.Create(CultureInfo.InvariantCulture, $"{ActivityRun}{unit.Fence}"), "n", "Test.Work", "default", JsonSerializer.SerializeToElement(new { }), Policy)] : [],
            Effects = unit.Effect is { } effect ? [Effect(effect)] : [],
        },
    };

    private static NpgsqlBatchCommand Effect(char step) => new("INSERT INTO proto_effects VALUES ($1)") { Parameters = { new() { Value = step.ToString() } } };

    private static (Database After, T Answer) Typed<T>((Database After, object? Answer) outcome) => (outcome.After, (T)outcome.Answer!);

    private async Task<(Database After, object? Answer)> OnceAsync(Database before, string step, Func<long, Task<object?>> execute)
    {
        var key = $"{before.Key} {step}";
        if (_known.TryGetValue(key, out var known))
            return known;
        await using var transaction = await connection.BeginTransactionAsync();
        var task = await WriteAsync(before);
        var answer = await execute(task);
        var after = await ReadAsync();
        await transaction.RollbackAsync();
        // Every state leaves dead rows behind.
        if (++_sinceVacuum % 500 == 0)
            await ExecuteAsync("TRUNCATE wf.instances, wf.messages, wf.tasks, wf.hosts, proto_effects");
        return _known[key] = (after, answer);
    }

    private async Task<long> WriteAsync(Database state)
    {
        await using var batch = new NpgsqlBatch(connection);
        if (state.Step >= 0)
        {
            Add("""
                INSERT INTO wf.instances (id, definition_id, definition_version_id, version, status, sub_status, state, owner, fence, finished_at)
                VALUES ('i', 'd', 'v', 1, $1, $2, $3::json, $4, $5, CASE WHEN $1 = 'Finished' THEN now() END)
                """, state.Step == 3 ? "Finished" : "Running", state.Step == 3 ? "Finished" : "Suspended", $$"""{"step":{{state.Step}}}""",
                Owner(state.Instance), (long)state.Instance.Fence);
        }

        foreach (var message in state.Messages)
        {
            Add("INSERT INTO wf.messages (id, instance_id, kind, target) OVERRIDING SYSTEM VALUE VALUES ($1, 'i', $2, 'run')",
                (long)message.Id, message.Kind == 'S' ? "Start" : "Task");
        }

        const long TaskId = 1;
        if (state.Task is { } task)
        {
            Add("""
                INSERT INTO wf.tasks (id, instance_id, activity_instance_id, node_id, activity_type, queue, input, max_attempts, timeout_seconds, owner, fence, lease_until)
                OVERRIDING SYSTEM VALUE
                VALUES (1, 'i', 'run', 'n', 'Test.Work', 'default', '{}', 1000, 60, $1, $2,
                        CASE WHEN $1::text IS NOT NULL THEN now() + CASE WHEN $3 THEN interval '-1 minute' ELSE interval '1 minute' END END)
                """, Owner(task), (long)task.Fence, state.TaskIsOverdue);
        }

        foreach (var host in "AB".Where(h => state.HostOf(h) != HostRow.Absent))
        {
            Add("INSERT INTO wf.hosts (id, name, lease_until) VALUES ($1, 'host', now() + CASE WHEN $2 THEN interval '-1 minute' ELSE interval '1 minute' END)",
                Id(host), state.HostOf(host) == HostRow.Silent);
        }

        foreach (var effect in state.Effects)
            Add("INSERT INTO proto_effects VALUES ($1)", effect.ToString());
        // New messages come after all that anyone has seen.
        Add("SELECT setval(pg_get_serial_sequence('wf.messages', 'id'), 1000)");
        await batch.ExecuteNonQueryAsync();
        return TaskId;

        void Add(string sql, params object?[] values)
        {
            var command = new NpgsqlBatchCommand(sql);
            foreach (var value in values)
                command.Parameters.Add(value is null ? new() { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text } : new() { Value = value });
            batch.BatchCommands.Add(command);
        }

        static string? Owner(ModelLease lease) => lease.Owner == '-' ? null : Id(lease.Owner);
    }

    private async Task<Database> ReadAsync()
    {
        await using var command = Command(DumpSql);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        var instance = reader.GetString(0).Split(' ');
        var task = reader.GetString(2).Split(' ');
        var hosts = Items(3).ToDictionary(h => h[0][0], h => h[1] == "true" ? HostRow.Silent : HostRow.Fresh);
        return new(
            instance.Length == 3 ? Number(instance[0]) : -1, instance.Length == 3 ? new(instance[1][0], Number(instance[2])) : new('-', 0),
            [.. Items(1).Select(m => new ModelMessage(Number(m[0]), m[1][0]))],
            task.Length == 3 ? new ModelLease(task[0][0], Number(task[1])) : null, task.Length == 3 && task[2] == "true",
            hosts.GetValueOrDefault('A'), hosts.GetValueOrDefault('B'), reader.GetString(4) + (task.Length > 3 ? " and two tasks" : ""));

        IEnumerable<string[]> Items(int column) => reader.GetString(column).Split(',', StringSplitOptions.RemoveEmptyEntries).Select(i => i.Split(' '));

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }

    private static string Id(char host) => host.ToString();

    private NpgsqlCommand Command(string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }

    private async Task<int> ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync();
    }

    private async Task<object?> ScalarAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteScalarAsync();
    }
}

internal enum UnitKind
{
    Start,
    Burst,
    Answer,
}

/// <summary>A commit of the model: the start of the instance, a commit of a burst, or the task's answer.</summary>
/// <param name="Effect">What happens with it: a at the checkpoint, b with the task, d at the end; t is the task's own.</param>
internal sealed record ModelUnit(UnitKind Kind, char Host, int Fence, int ToStep, bool KeepLease, char? Effect, int[] Consumed)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Kind} {Host}{Fence} to {ToStep}{(KeepLease ? " keeping" : "")} {Effect} [{string.Join(',', Consumed)}]");
}

/// <param name="Found">Its row was there under its fence.</param>
/// <param name="Owned">What it started belongs to its host.</param>
internal sealed record UnitOutcome(bool Found, bool Owned);
