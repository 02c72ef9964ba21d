using System.Security.Cryptography;
using System.Text.Json;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Microsoft.AspNetCore.Http;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>What an execution has come to within its time.</summary>
/// <param name="InstanceId">Null when the definition's activation strategy kept it out.</param>
/// <param name="Instance">As it stood then; it may go on.</param>
public sealed record WorkflowExecution(string? InstanceId, InstanceDetails? Instance)
{
    /// <summary>Whether the workflow itself has written an answer for its caller.</summary>
    public bool IsAnswered => Answer is not null;

    internal HttpAnswer? Answer { get; init; }

    /// <summary>Writes the workflow's own answer.</summary>
    public Task WriteAnswerAsync(HttpContext context) =>
        HttpProblems.WriteAsync(context, Answer ?? throw new InvalidOperationException("The workflow has not answered."));
}

/// <summary>
/// Starts a workflow for a caller who waits: until it has ended, or waits for something, or the time is over. Whichever host runs it.
/// A workflow that answers HTTP requests answers the caller.
/// </summary>
public sealed class WorkflowExecutor(WorkflowClient client, InstanceStore instances, NpgsqlDataSource dataSource, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(4);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Of one moment: whether a burst is under way or due, and whether there is an answer.</summary>
    private const string LookSql = """
        SELECT i.status = 'Running' AND (i.sub_status <> 'Suspended' OR i.owner IS NOT NULL
                   OR EXISTS (SELECT FROM wf.messages m WHERE m.instance_id = i.id AND m.due_at <= now())),
               r.status, r.headers, r.body
        FROM wf.instances i LEFT JOIN wf.http_responses r ON r.request_id = $2 AND r.status > 0 WHERE i.id = $1
        """;

    /// <exception cref="InvalidDefinitionException">There is no such version of the definition.</exception>
    public async Task<WorkflowExecution> ExecuteAsync(
        string definitionId, IReadOnlyDictionary<string, object?> input, StartOptions options, TimeSpan limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(input);
        var started = time.GetTimestamp();
        var requestId = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        // Whoever answers finds the row of one who waits.
        await dataSource.ExecuteAsync(
            "INSERT INTO wf.http_responses (request_id, status, headers) VALUES ($1, 0, '{}')", [requestId], cancellationToken);
        try
        {
            var id = await client.StartAsync(
                definitionId, new Dictionary<string, object?>(input) { [HttpRequestData.RequestIdKey] = requestId }, options, cancellationToken);
            if (id is null)
                return new(null, null);
            var answer = await WaitAsync(id, requestId, started, limit, cancellationToken);
            return new(id, await instances.FindDetailsAsync(id, cancellationToken)) { Answer = answer };
        }
        finally
        {
            // A later answer finds nobody, and says so.
            await dataSource.ExecuteAsync("DELETE FROM wf.http_responses WHERE request_id = $1", [requestId], CancellationToken.None);
        }
    }

    private async Task<HttpAnswer?> WaitAsync(string instanceId, string requestId, long started, TimeSpan limit, CancellationToken cancellationToken)
    {
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            var looks = await dataSource.QueryAsync(
                LookSql, [instanceId, requestId], r => (IsBusy: r.GetBoolean(0), Answer: r.IsDBNull(1) ? null : HttpAnswer.Read(r, 1)),
                cancellationToken);
            if (looks is not [{ IsBusy: true } look])
                return looks.Count > 0 ? looks[0].Answer : null;
            if (time.GetElapsedTime(started) >= limit)
                return look.Answer;
            await Task.Delay(pause, time, cancellationToken);
        }
    }
}
