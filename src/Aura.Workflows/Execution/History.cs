using System.Text.Json;

namespace Aura.Workflows;

/// <summary>
/// Renders what a commit adds to an instance's history: one JSON document, short because every commit writes one. Its shape, which
/// the views <c>wf.journal</c> and <c>wf.activity_executions</c> read:
/// <c>t</c> the base time in microseconds since 1970, to which all other times are added;
/// <c>x</c> the runs of activities that the commit touched: <c>i</c> id, <c>p</c> parent, <c>n</c> node, <c>y</c> type, <c>m</c> name, <c>s</c> status
/// (absent: Completed), <c>w</c> 1 when it waits for a bookmark and 2 while its durable task is under way, <c>a</c> inputs, <c>o</c> outputs,
/// <c>l</c> journal data with outcomes (absent: the outcome Done), <c>r</c> exception, <c>b</c> began, <c>c</c> completed;
/// <c>e</c> the journal's lines in order: index into <c>x</c>, event (<c>S</c> Started, <c>C</c> Completed), time, message, payload. The last one
/// has the row's sequence number.
/// </summary>
internal static class History
{
    private static readonly IReadOnlyDictionary<string, object?> Nothing = new Dictionary<string, object?>();

    /// <param name="keepLease">True in the middle of a burst: a later commit may repeat what this one says.</param>
    public static byte[] Render(WorkflowExecutionContext workflow, bool keepLease)
    {
        var changed = workflow.Outbox.Touched.FindAll(c => !IsRepetition(workflow, c, keepLease));
        return StateCodec.Render(writer => Write(writer, workflow, changed));
    }

    /// <summary>
    /// Whether the record would say what the one before has said. A container is told of each child that ends, and mostly that
    /// changes nothing that a reader sees.
    /// </summary>
    private static bool IsRepetition(WorkflowExecutionContext workflow, ActivityExecutionContext context, bool keepLease)
    {
        // Most bursts commit once: there is nothing before it, and nothing will come after it.
        if (context.Status != ActivityStatus.Running || (!keepLease && (context.IsLogged || context.LastRecord is null)))
            return false;
        var record = StateCodec.Render(writer => WriteExecution(writer, workflow, context, Microseconds(context.StartedAt)));
        if (!context.IsLogged && context.LastRecord.AsSpan().SequenceEqual(record))
            return true;
        context.LastRecord = record;
        return false;
    }

    private static void Write(Utf8JsonWriter writer, WorkflowExecutionContext workflow, List<ActivityExecutionContext> touched)
    {
        var start = Microseconds(workflow.Outbox.Journal[0].Timestamp);
        writer.WriteStartObject();
        writer.WriteNumber("t", start);
        writer.WriteStartArray("x");
        var index = 0;
        foreach (var context in touched)
        {
            context.HistoryIndex = index++;
            WriteExecution(writer, workflow, context, start);
        }

        writer.WriteEndArray();
        writer.WriteStartArray("e");
        foreach (var entry in workflow.Outbox.Journal)
            WriteEntry(writer, entry, start);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteExecution(Utf8JsonWriter writer, WorkflowExecutionContext workflow, ActivityExecutionContext context, long start)
    {
        writer.WriteStartObject();
        writer.WriteString("i", context.Id);
        if (context.ParentActivityExecutionContext is { } parent)
            writer.WriteString("p", parent.Id);
        writer.WriteString("n", context.NodeId);
        writer.WriteString("y", context.Activity.Type);
        if (context.Activity.Name is { } name)
            writer.WriteString("m", name);
        if (context.Status != ActivityStatus.Completed)
            writer.WriteString("s", Enum.GetName(context.Status));
        if (context.HasTask)
            writer.WriteNumber("w", 2);
        else if (HasBookmarks(workflow, context))
            writer.WriteNumber("w", 1);
        StateCodec.WriteMap(writer, "a", context.StoredActivityState);
        StateCodec.WriteMap(writer, "o", context.StoredOutputs);
        if (HasPayload(context))
        {
            writer.WritePropertyName("l");
            WritePayload(writer, context);
        }

        if (context.Exception is { } exception)
        {
            writer.WritePropertyName("r");
            JsonSerializer.Serialize(writer, exception, WorkflowJson.Options);
        }

        writer.WriteNumber("b", Microseconds(context.StartedAt) - start);
        if (context.CompletedAt is { } completed)
            writer.WriteNumber("c", Microseconds(completed) - start);
        writer.WriteEndObject();
    }

    private static bool HasBookmarks(WorkflowExecutionContext workflow, ActivityExecutionContext context)
    {
        foreach (var bookmark in workflow.Bookmarks)
        {
            if (bookmark.ActivityInstanceId == context.Id)
                return true;
        }

        return false;
    }

    private static void WriteEntry(Utf8JsonWriter writer, in JournalEntry entry, long start)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(entry.Context.HistoryIndex);
        writer.WriteStringValue(entry.EventName switch { "Started" => "S", "Completed" => "C", var name => name });
        writer.WriteNumberValue(Microseconds(entry.Timestamp) - start);
        var hasPayload = entry.Payload is not null || (entry.EventName == "Completed" && HasPayload(entry.Context));
        if (entry.Message is not null || hasPayload)
            writer.WriteStringValue(entry.Message);
        if (entry.Payload is not null)
            StateCodec.WriteValue(writer, entry.Payload);
        else if (hasPayload)
            WritePayload(writer, entry.Context);
        writer.WriteEndArray();
    }

    /// <summary>Whether there is more to say than that the activity completed with Done.</summary>
    private static bool HasPayload(ActivityExecutionContext context) =>
        context.StoredJournalData is { Count: > 0 } || (context.Outcomes is { } outcomes && outcomes is not { Names: ["Done"] });

    /// <summary>The journal data, with the outcomes once there are some.</summary>
    private static void WritePayload(Utf8JsonWriter writer, ActivityExecutionContext context)
    {
        writer.WriteStartObject();
        foreach (var (key, value) in context.StoredJournalData ?? Nothing)
        {
            writer.WritePropertyName(key);
            StateCodec.WriteValue(writer, value);
        }

        if (context.Outcomes is { } outcomes)
        {
            writer.WriteStartArray("Outcomes");
            foreach (var outcome in outcomes.Names)
                writer.WriteStringValue(outcome);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static long Microseconds(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
}
