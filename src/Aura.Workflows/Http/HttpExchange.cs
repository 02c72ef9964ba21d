using System.Text.Json;
using Aura.Workflows.Runtime;
using Aura.Workflows.Storage;
using Npgsql;

namespace Aura.Workflows.Http;

/// <summary>
/// The request that a workflow may answer. One for each burst; across bursts its id stands in the root's properties, and the row
/// in <c>wf.http_responses</c> says whether the client still waits: status 0 is a request that was received and not answered yet.
/// </summary>
internal sealed class HttpExchange
{
    internal const string Channel = "wf_http";
    private const string RequestIdProperty = "HttpRequestId";
    private string? _opened;

    /// <summary>The workflow has received a request. The commit of this burst tells the host that holds it.</summary>
    public static void Open(ActivityExecutionContext context, string requestId)
    {
        context.GetRequiredService<HttpExchange>()._opened = requestId;
        RootOf(context).SetProperty(RequestIdProperty, requestId);
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(Sql.Batch(
            "INSERT INTO wf.http_responses (request_id, status, headers) VALUES ($1, 0, '{}') ON CONFLICT (request_id) DO NOTHING", requestId));
        work.Add(Notify(requestId));
    }

    /// <summary>Answers the request with the commit of this burst; a later answer in the same burst replaces it.</summary>
    /// <exception cref="InvalidOperationException">Nobody waits for an answer.</exception>
    public static async Task AnswerAsync(ActivityExecutionContext context, HttpAnswer answer)
    {
        var requestId = await FindAsync(context) ?? throw new InvalidOperationException(
            "The HTTP context was lost: no client waits for an answer of this workflow any more. "
            + "Answer before the workflow waits for an event, a time or another request, or let a new HTTP endpoint come first.");
        var work = context.GetRequiredService<UnitOfWork>();
        // Only where the request's row still stands: its host takes it away when it stops waiting.
        work.Add(Sql.Batch(
            "UPDATE wf.http_responses SET status = $2, headers = $3, body = $4::bytea WHERE request_id = $1",
            requestId, answer.Status, JsonValue.Of(answer.Headers), answer.Body));
        work.Add(Notify(requestId));
    }

    public static ActivityExecutionContext RootOf(ActivityExecutionContext context)
    {
        while (context.ParentActivityExecutionContext is { } parent)
            context = parent;
        return context;
    }

    private static async Task<string?> FindAsync(ActivityExecutionContext context)
    {
        if (context.GetRequiredService<HttpExchange>()._opened is { } opened)
            return opened;
        // An endpoint has received it, or whoever started the instance waits for an answer.
        var earlier = RootOf(context).GetProperty<string>(RequestIdProperty)
            ?? context.WorkflowExecutionContext.Input.GetValueOrDefault(HttpRequestData.RequestIdKey) as string;
        if (earlier is null)
            return null;
        var open = await context.GetRequiredService<NpgsqlDataSource>().QueryAsync(
            "SELECT 1 FROM wf.http_responses WHERE request_id = $1 AND status = 0", [earlier], r => r.GetInt32(0), context.CancellationToken);
        return open.Count > 0 ? earlier : null;
    }

    private static NpgsqlBatchCommand Notify(string requestId) => Sql.Batch("SELECT pg_notify($1, $2)", Channel, requestId);
}

/// <summary>An answer as it travels to the host that holds the request.</summary>
/// <param name="Headers">With <c>Content-Type</c>; names without regard to case.</param>
/// <param name="Body">Null for an answer without a body.</param>
internal sealed record HttpAnswer(int Status, HttpHeaders Headers, byte[]? Body)
{
    /// <summary>From the columns <c>status, headers, body</c> of <c>wf.http_responses</c>.</summary>
    /// <param name="first">The place of the first of them.</param>
    public static HttpAnswer Read(NpgsqlDataReader row, int first = 0) => new(
        row.GetInt32(first),
        JsonSerializer.Deserialize<HttpHeaders>(row.GetString(first + 1), WorkflowJson.Options)!,
        row.IsDBNull(first + 2) ? null : row.GetFieldValue<byte[]>(first + 2));
}
