using System.Text.Json;

namespace Aura.Workflows;

/// <summary>Renders what a commit adds to an instance's history: one JSON document, the shape stands with <c>wf.history</c>.</summary>
internal static class History
{
    public static byte[] Render(WorkflowExecutionContext workflow) => StateCodec.Render(writer => Write(writer, workflow));

    private static void Write(Utf8JsonWriter writer, WorkflowExecutionContext workflow)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("x");
        foreach (var context in workflow.Outbox.Touched)
            WriteExecution(writer, workflow, context);
        writer.WriteEndArray();
        writer.WriteStartArray("e");
        foreach (var entry in workflow.Outbox.Journal)
            WriteEntry(writer, entry);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteExecution(Utf8JsonWriter writer, WorkflowExecutionContext workflow, ActivityExecutionContext context)
    {
        writer.WriteStartObject();
        writer.WriteString("id", context.Id);
        if (context.ParentActivityExecutionContext is { } parent)
            writer.WriteString("parent", parent.Id);
        writer.WriteString("activity", context.Activity.Id);
        writer.WriteString("node", context.NodeId);
        writer.WriteString("type", context.Activity.Type);
        if (context.Activity.Name is { } name)
            writer.WriteString("name", name);
        writer.WriteString("status", Enum.GetName(context.Status));
        writer.WriteBoolean("bookmarks", context.HasTask || HasBookmarks(workflow, context));
        StateCodec.WriteMap(writer, "state", context.StoredActivityState);
        StateCodec.WriteMap(writer, "outputs", context.StoredOutputs);
        WritePayload(writer, "payload", context);
        if (context.Exception is { } exception)
        {
            writer.WritePropertyName("exception");
            JsonSerializer.Serialize(writer, exception, WorkflowJson.Options);
        }

        writer.WriteNumber("started", Microseconds(context.StartedAt));
        if (context.CompletedAt is { } completed)
            writer.WriteNumber("completed", Microseconds(completed));
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

    private static void WriteEntry(Utf8JsonWriter writer, in JournalEntry entry)
    {
        writer.WriteStartObject();
        writer.WriteNumber("s", entry.Sequence);
        writer.WriteString("c", entry.Context.Id);
        writer.WriteString("e", entry.EventName);
        if (entry.Message is not null)
            writer.WriteString("m", entry.Message);
        if (entry.Payload is not null)
        {
            writer.WritePropertyName("p");
            StateCodec.WriteValue(writer, entry.Payload);
        }
        else if (entry.EventName == "Completed")
        {
            WritePayload(writer, "p", entry.Context);
        }

        writer.WriteNumber("t", Microseconds(entry.Timestamp));
        writer.WriteEndObject();
    }

    /// <summary>The journal data, with the outcomes once there are some.</summary>
    private static void WritePayload(Utf8JsonWriter writer, string name, ActivityExecutionContext context)
    {
        if (context.StoredJournalData is null && context.Outcomes is null)
            return;
        writer.WriteStartObject(name);
        foreach (var (key, value) in context.StoredJournalData ?? new Dictionary<string, object?>())
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
