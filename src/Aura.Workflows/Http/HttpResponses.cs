using System.Collections.Concurrent;
using System.Text.Json;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>How a request ended for the client that waits for it.</summary>
internal abstract record HttpOutcome
{
    public sealed record Answered(HttpAnswer Answer) : HttpOutcome;

    /// <summary>The workflow is over, or waits for something else, and has not answered.</summary>
    public sealed record Silent(bool IsReceived, WorkflowState? Faulted) : HttpOutcome;

    public sealed record TimedOut : HttpOutcome;
}

/// <summary>What the database says about a request that waits.</summary>
/// <param name="ResponseStatus">Null: not received by the workflow yet; 0: received; else the answer's status.</param>
/// <param name="IsMessagePending">The message that brings the request is not consumed yet.</param>
/// <param name="HasWork">Tasks, children or messages are under way that the workflow itself has caused.</param>
internal sealed record HttpRequestState(
    int? ResponseStatus, bool IsMessagePending, WorkflowStatus? Status, WorkflowSubStatus? SubStatus, bool IsOwned, bool HasWork)
{
    /// <summary>Whether no answer will come. Pure.</summary>
    public bool IsOver => this switch
    {
        { ResponseStatus: > 0 } or { IsMessagePending: true } => false,
        { Status: null or WorkflowStatus.Finished } => true,
        { SubStatus: WorkflowSubStatus.Pending or WorkflowSubStatus.Executing } => false,
        { ResponseStatus: null } => !IsOwned && !HasWork,
        // A burst that only waits for its own tasks and children goes on by itself, and may answer then.
        _ => !HasWork,
    };
}

/// <summary>
/// Waits for the answers of workflows. One connection of the host listens for all requests; a notification is a hint, and a
/// request that gets none looks by itself now and then.
/// </summary>
internal sealed class HttpResponses(NpgsqlDataSource dataSource, TimeProvider time, IOptions<HttpWorkflowsOptions> options) : ILoop
{
    private const string TakeSql = "DELETE FROM wf.http_responses WHERE request_id = $1 AND status > 0 RETURNING status, headers, body";
    private const string StateSql = """
        SELECT r.status, i.status, i.sub_status, i.owner IS NOT NULL,
               EXISTS (SELECT 1 FROM wf.messages m WHERE m.instance_id = $2 AND (m.id = $3 OR ($3 = 0 AND m.kind = 'Start'))),
               EXISTS (SELECT 1 FROM wf.tasks t WHERE t.instance_id = $2)
               OR EXISTS (SELECT 1 FROM wf.messages m WHERE m.instance_id = $2 AND m.due_at <= now())
               OR EXISTS (SELECT 1 FROM wf.instances c WHERE c.parent_instance_id = $2 AND c.parent_bookmark_id IS NOT NULL AND c.status = 'Running')
        FROM (VALUES (1)) one LEFT JOIN wf.http_responses r ON r.request_id = $1 LEFT JOIN wf.instances i ON i.id = $2
        """;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(20);
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);

    public string Name => "http-responses";

    public TimeSpan Interval => TimeSpan.FromSeconds(1);

    /// <summary>Listens until the connection breaks or the host stops.</summary>
    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        connection.Notification += (_, e) => Wake(e.Payload);
        await using (var listen = new NpgsqlCommand($"LISTEN {HttpExchange.Channel}", connection))
            await listen.ExecuteNonQueryAsync(cancellationToken);
        // What was sent before this connection listened is lost: all look once.
        foreach (var requestId in _waiting.Keys)
            Wake(requestId);
        while (!cancellationToken.IsCancellationRequested)
        {
            await connection.WaitAsync(TimeSpan.FromSeconds(10), cancellationToken);
            if (connection.State != System.Data.ConnectionState.Open)
                break;
        }

        return 0;
    }

    /// <summary>Waits until the workflow has answered, will not answer, or the time is over.</summary>
    /// <param name="messageId">The message that carries the request; 0 for the start of the instance.</param>
    public async Task<HttpOutcome> WaitAsync(
        string requestId, string instanceId, long messageId, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var pause = FirstPause;
        try
        {
            while (true)
            {
                // Registered before looking, so that a notification during the look is not lost.
                var woken = _waiting.AddOrUpdate(requestId, _ => NewSignal(), (_, known) => known.Task.IsCompleted ? NewSignal() : known);
                var (answer, state) = await LookAsync(requestId, instanceId, messageId, cancellationToken);
                if (answer is not null)
                    return new HttpOutcome.Answered(answer);
                if (state.IsOver)
                    return await CloseAsync(requestId) ?? await SilentAsync(instanceId, state, cancellationToken);
                var left = timeout - time.GetElapsedTime(started);
                if (state.ResponseStatus > 0)
                    continue;
                // The request's row stays: to answer late is no fault of the workflow. The sweeper takes it away.
                if (left <= TimeSpan.Zero)
                    return new HttpOutcome.TimedOut();
                await Task.WhenAny(woken.Task, Task.Delay(pause < left ? pause : left, time, cancellationToken));
                cancellationToken.ThrowIfCancellationRequested();
                pause = pause * 2 < options.Value.PollInterval ? pause * 2 : options.Value.PollInterval;
            }
        }
        finally
        {
            _waiting.TryRemove(requestId, out _);
        }
    }

    /// <summary>The client will be told that there is no answer. Returns the one that came at the last moment, if one did.</summary>
    private async Task<HttpOutcome?> CloseAsync(string requestId)
    {
        var rows = await dataSource.QueryAsync(
            "DELETE FROM wf.http_responses WHERE request_id = $1 RETURNING status, headers, body", [requestId], r => HttpAnswer.Read(r),
            CancellationToken.None);
        return rows is [{ Status: > 0 } answer] ? new HttpOutcome.Answered(answer) : null;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Wake(string requestId)
    {
        if (_waiting.TryGetValue(requestId, out var signal))
            signal.TrySetResult();
    }

    private async Task<(HttpAnswer? Answer, HttpRequestState State)> LookAsync(
        string requestId, string instanceId, long messageId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { Sql.Batch(TakeSql, requestId), Sql.Batch(StateSql, requestId, instanceId, messageId) },
        };
        // Not cancelled: an answer that was taken out must be used.
        await using var reader = await batch.ExecuteReaderAsync(CancellationToken.None);
        var answer = await reader.ReadAsync(CancellationToken.None) ? HttpAnswer.Read(reader) : null;
        await reader.NextResultAsync(CancellationToken.None);
        await reader.ReadAsync(CancellationToken.None);
        return (answer, ReadState(reader));
    }

    private static HttpRequestState ReadState(NpgsqlDataReader row) => new(
        row.IsDBNull(0) ? null : row.GetInt32(0),
        row.GetBoolean(4),
        row.Text(1) is { } status ? Enum.Parse<WorkflowStatus>(status) : null,
        row.Text(2) is { } subStatus ? Enum.Parse<WorkflowSubStatus>(subStatus) : null,
        row.GetBoolean(3),
        row.GetBoolean(5));

    private async Task<HttpOutcome> SilentAsync(string instanceId, HttpRequestState state, CancellationToken cancellationToken)
    {
        if (state.SubStatus != WorkflowSubStatus.Faulted)
            return new HttpOutcome.Silent(state.ResponseStatus is not null, null);
        var rows = await dataSource.QueryAsync("SELECT state FROM wf.instances WHERE id = $1", [instanceId], r => r.GetString(0), cancellationToken);
        var faulted = rows is [{ } json] ? JsonSerializer.Deserialize<WorkflowState>(json, WorkflowJson.Options) : null;
        return new HttpOutcome.Silent(state.ResponseStatus is not null, faulted);
    }
}
