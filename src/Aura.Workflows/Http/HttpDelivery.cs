using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>Whether a request has reached its workflow's messages.</summary>
internal abstract record HttpDelivered
{
    /// <param name="MessageId">0 for the start of the instance.</param>
    public sealed record Sent(string InstanceId, long MessageId) : HttpDelivered;

    /// <summary>The bookmark is gone, or another request is on its way to it.</summary>
    public sealed record Taken : HttpDelivered;

    /// <summary>There is an instance of the id that the client chose.</summary>
    public sealed record InstanceExists : HttpDelivered;

    /// <summary>The workflow's activation strategy allows no further instance now.</summary>
    public sealed record NotActivated : HttpDelivered;
}

/// <summary>Turns a request into the rows that start or resume an instance.</summary>
internal sealed class HttpDelivery(NpgsqlDataSource dataSource, WorkflowClient client, Pulse pulse)
{
    /// <param name="target">Who is to get it.</param>
    /// <param name="input">The request as input of the run.</param>
    /// <param name="instanceId">The id that a new instance gets; null for a fresh one.</param>
    /// <param name="correlationId">The new instance's correlation id.</param>
    /// <param name="cancellationToken">Ends the attempt before the commit.</param>
    public async Task<HttpDelivered> SendAsync(
        HttpTarget target, IReadOnlyDictionary<string, object?> input, string? instanceId, string? correlationId, CancellationToken cancellationToken)
    {
        var delivered = target switch
        {
            HttpTarget.Trigger trigger => await StartAsync(trigger, input, instanceId, correlationId, cancellationToken),
            HttpTarget.Waiting waiting => await ResumeAsync(waiting, input, cancellationToken),
            _ => throw new InvalidOperationException($"Unknown target {target.GetType().Name}."),
        };
        if (delivered is HttpDelivered.Sent)
            pulse.Beat();
        return delivered;
    }

    private async Task<HttpDelivered> StartAsync(
        HttpTarget.Trigger trigger, IReadOnlyDictionary<string, object?> input, string? instanceId, string? correlationId,
        CancellationToken cancellationToken)
    {
        var start = new StartOptions
        {
            CorrelationId = correlationId,
            TriggerActivityId = trigger.ActivityId,
            VersionId = trigger.VersionId,
            InstanceId = instanceId,
        };
        try
        {
            return await client.StartAsync(trigger.DefinitionId, input, start, cancellationToken) is { } id
                ? new HttpDelivered.Sent(id, 0)
                : new HttpDelivered.NotActivated();
        }
        catch (Exception e) when ((e as PostgresException ?? e.InnerException) is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            return new HttpDelivered.InstanceExists();
        }
    }

    /// <summary>Only one request gets through to a bookmark: the row is locked, and a message that is under way to it counts.</summary>
    private async Task<HttpDelivered> ResumeAsync(
        HttpTarget.Waiting waiting, IReadOnlyDictionary<string, object?> input, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                Sql.Batch("SELECT 1 FROM wf.bookmarks WHERE id = $1 FOR UPDATE", waiting.BookmarkId),
                // A statement of its own: it must see what the holder of the lock has committed.
                Sql.Batch("""
                    INSERT INTO wf.messages (instance_id, kind, target, payload)
                    SELECT b.instance_id, 'Resume', b.id, $2 FROM wf.bookmarks b
                    WHERE b.id = $1 AND NOT EXISTS (
                        SELECT 1 FROM wf.messages m
                        WHERE m.instance_id = b.instance_id AND m.kind = 'Resume' AND m.target = b.id AND m.due_at <= now())
                    RETURNING id
                    """, waiting.BookmarkId, JsonValue.Of(input)),
                WorkflowClient.Wake(),
            },
        };
        long? messageId;
        await using (var reader = await batch.ExecuteReaderAsync(cancellationToken))
        {
            await reader.NextResultAsync(cancellationToken);
            messageId = await reader.ReadAsync(cancellationToken) ? reader.GetInt64(0) : null;
        }

        if (messageId is null)
            return new HttpDelivered.Taken();
        await transaction.CommitAsync(CancellationToken.None);
        return new HttpDelivered.Sent(waiting.InstanceId, messageId.Value);
    }
}
