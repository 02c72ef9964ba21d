using System.Buffers;
using System.Text.Json;

namespace Aura.Workflows;

/// <summary>
/// Writes an instance from memory straight to the JSON of <see cref="WorkflowState"/> and back. Kept apart from the serialiser
/// because every commit passes here: no intermediate documents, and nothing is written that is empty.
/// </summary>
internal static class StateCodec
{
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = WorkflowJson.Options.Encoder, SkipValidation = true };

    /// <exception cref="NotSupportedException">A value cannot be written as JSON.</exception>
    /// <exception cref="InvalidOperationException">A callback that would be needed after a resume is a lambda.</exception>
    public static byte[] Write(WorkflowExecutionContext workflow) => Render(w => WriteState(w, workflow));

    public static CompensationState Stored(Compensation compensation) => new(
        compensation.NodeId, compensation.MethodName,
        compensation.Data is null ? null : JsonSerializer.SerializeToElement(compensation.Data, WorkflowJson.Options));

    /// <summary>Runs a writer over a pooled buffer.</summary>
    public static byte[] Render(Action<Utf8JsonWriter> write)
    {
        var scratch = _scratch ??= new();
        scratch.Buffer.ResetWrittenCount();
        scratch.Writer.Reset(scratch.Buffer);
        write(scratch.Writer);
        scratch.Writer.Flush();
        return scratch.Buffer.WrittenSpan.ToArray();
    }

    public static void WriteValue(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case null:
                writer.WriteNullValue();
                break;
            case string text:
                writer.WriteStringValue(text);
                break;
            case bool flag:
                writer.WriteBooleanValue(flag);
                break;
            case int number:
                writer.WriteNumberValue(number);
                break;
            case long number:
                writer.WriteNumberValue(number);
                break;
            case JsonElement element:
                element.WriteTo(writer);
                break;
            case Dictionary<string, object?> map:
                writer.WriteStartObject();
                foreach (var (name, item) in map)
                {
                    writer.WritePropertyName(name);
                    WriteValue(writer, item);
                }

                writer.WriteEndObject();
                break;
            case List<object?> list:
                writer.WriteStartArray();
                foreach (var item in list)
                    WriteValue(writer, item);
                writer.WriteEndArray();
                break;
            default:
                JsonSerializer.Serialize(writer, value, value.GetType(), WorkflowJson.Options);
                break;
        }
    }

    public static void WriteMap(Utf8JsonWriter writer, string name, IEnumerable<KeyValuePair<string, object?>>? values)
    {
        if (values is null || (values is ICollection<KeyValuePair<string, object?>> { Count: 0 }))
            return;
        writer.WriteStartObject(name);
        foreach (var (key, value) in values)
        {
            writer.WritePropertyName(key);
            WriteValue(writer, value);
        }

        writer.WriteEndObject();
    }

    /// <exception cref="InvalidOperationException">The instance stands at a place that the graph does not hold.</exception>
    public static void Restore(WorkflowExecutionContext workflow, JsonElement state)
    {
        // Rare parts go through the record; what every instance has is read directly.
        workflow.Status = EnumOf(state, "status", WorkflowStatus.Running);
        workflow.SubStatus = EnumOf(state, "subStatus", WorkflowSubStatus.Pending);
        workflow.Name = TextOf(state, "name");
        workflow.TriggerActivityId = TextOf(state, "triggerActivityId");
        workflow.LogSequence = state.TryGetProperty("logSequence", out var sequence) ? sequence.GetInt64() : 0;
        workflow.HasTimers = state.TryGetProperty("hasTimers", out var timers) && timers.GetBoolean();
        if (MapOf(state, "input") is { } input)
            workflow.Input = input;
        if (MapOf(state, "output") is { } output)
            workflow.Output = output;
        if (state.TryGetProperty("lastResult", out var last))
            workflow.LastResult = WorkflowJson.ToPlain(last);
        if (state.TryGetProperty("activityOutputs", out var outputs))
        {
            foreach (var activity in outputs.EnumerateObject())
                workflow.ActivityOutputs[activity.Name] = (Dictionary<string, object?>)WorkflowJson.ToPlain(activity.Value)!;
        }

        workflow.RestoreRecords(
            ListOf<Bookmark>(state, "bookmarks"),
            ListOf<Incident>(state, "incidents"),
            ListOf<CompensationState>(state, "compensations").Select(c => new Compensation(c.NodeId, c.MethodName, c.Data is { } d ? WorkflowJson.ToPlain(d) : null)));
        foreach (var compensation in workflow.Compensations)
            _ = workflow.NodeOf(compensation.NodeId);
        RestoreContexts(workflow, state);
    }

    private static void WriteState(Utf8JsonWriter writer, WorkflowExecutionContext workflow)
    {
        writer.WriteStartObject();
        writer.WriteString("status", NameOf(workflow.Status));
        writer.WriteString("subStatus", NameOf(workflow.SubStatus));
        if (workflow.Name is not null)
            writer.WriteString("name", workflow.Name);
        if (workflow.TriggerActivityId is not null)
            writer.WriteString("triggerActivityId", workflow.TriggerActivityId);
        if (workflow.HasTimers)
            writer.WriteBoolean("hasTimers", true);
        writer.WriteNumber("logSequence", workflow.LogSequence);
        WriteMap(writer, "input", workflow.Input);
        WriteMap(writer, "output", workflow.Output);
        if (workflow.LastResult is not null)
        {
            writer.WritePropertyName("lastResult");
            WriteValue(writer, workflow.LastResult);
        }

        if (workflow.ActivityOutputs.Count > 0)
        {
            writer.WriteStartObject("activityOutputs");
            foreach (var (activity, values) in workflow.ActivityOutputs)
                WriteMap(writer, activity, values);
            writer.WriteEndObject();
        }

        WriteList(writer, "bookmarks", workflow.Bookmarks);
        WriteList(writer, "incidents", workflow.Incidents);
        WriteList(writer, "compensations", workflow.Compensations.Select(Stored).ToList());
        if (workflow.Root is not null)
        {
            writer.WriteStartArray("contexts");
            WriteContext(writer, workflow.Root);
            writer.WriteEndArray();
        }

        if (workflow.Scheduled.Count > 0)
        {
            writer.WriteStartArray("scheduled");
            foreach (var item in workflow.Scheduled)
                WriteItem(writer, item);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static void WriteContext(Utf8JsonWriter writer, ActivityExecutionContext context)
    {
        writer.WriteStartObject();
        writer.WriteString("id", context.Id);
        if (context.ParentActivityExecutionContext is { } parent)
        {
            writer.WriteString("parentId", parent.Id);
            if (context.Completed.NameFor(parent.Node) is { } callback)
                writer.WriteString("completed", callback);
            if (context is { Status: ActivityStatus.Completed, Outcomes: { IsDefault: false } outcomes })
            {
                writer.WriteStartArray("outcomes");
                foreach (var outcome in outcomes.Names)
                    writer.WriteStringValue(outcome);
                writer.WriteEndArray();
            }
        }

        writer.WriteString("nodeId", context.NodeId);
        writer.WriteString("status", NameOf(context.Status));
        if (context.Tag is not null)
            writer.WriteString("tag", context.Tag);
        if (context.HasTask)
            writer.WriteBoolean("hasTask", true);
        writer.WriteString("startedAt", context.StartedAt);
        WriteMap(writer, "properties", context.StoredProperties);
        WriteMap(writer, "activityState", context.StoredActivityState);
        WriteMap(writer, "outputs", context.StoredOutputs);
        WriteMap(writer, "journalData", context.StoredJournalData);
        WriteSlots(writer, context.Slots);
        writer.WriteEndObject();
        for (var child = context.FirstChild; child is not null; child = child.NextSibling)
            WriteContext(writer, child);
    }

    private static void WriteItem(Utf8JsonWriter writer, in WorkItem item)
    {
        writer.WriteStartObject();
        writer.WriteString("nodeId", item.Node.NodeId);
        if (item.Owner is { } owner)
        {
            writer.WriteString("ownerId", owner.Id);
            if (item.Completed.NameFor(owner.Node) is { } callback)
                writer.WriteString("completed", callback);
        }

        if (item.Tag is not null)
            writer.WriteString("tag", item.Tag);
        if (item.Existing is { } existing)
            writer.WriteString("existingId", existing.Id);
        WriteSlots(writer, item.Variables ?? []);
        writer.WriteEndObject();
    }

    private static void WriteSlots(Utf8JsonWriter writer, IReadOnlyList<VariableSlot> slots)
    {
        if (slots.Count == 0)
            return;
        writer.WriteStartArray("variables");
        foreach (var slot in slots)
        {
            writer.WriteStartObject();
            writer.WriteString("id", slot.Id);
            writer.WriteString("name", slot.Name);
            writer.WriteString("typeName", slot.TypeName);
            writer.WritePropertyName("value");
            WriteValue(writer, slot.IsPersisted ? slot.Value : null);
            if (!slot.IsPersisted)
                writer.WriteBoolean("isTransient", true);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteList<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items)
    {
        if (items.Count == 0)
            return;
        writer.WritePropertyName(name);
        JsonSerializer.Serialize(writer, items, WorkflowJson.Options);
    }

    private static void RestoreContexts(WorkflowExecutionContext workflow, JsonElement state)
    {
        var byId = new Dictionary<string, ActivityExecutionContext>(StringComparer.Ordinal);
        var callbacks = ListOf<CompletionCallbackState>(state, "callbacks");
        foreach (var stored in Items(state, "contexts"))
        {
            var id = TextOf(stored, "id")!;
            var nodeId = TextOf(stored, "nodeId")!;
            var tag = TextOf(stored, "tag");
            var parent = TextOf(stored, "parentId") is { } parentId ? byId[parentId] : null;
            var context = new ActivityExecutionContext(workflow, parent, workflow.NodeOf(nodeId), id)
            {
                Status = EnumOf(stored, "status", ActivityStatus.Running),
                Tag = tag,
                HasTask = stored.TryGetProperty("hasTask", out var hasTask) && hasTask.GetBoolean(),
                StartedAt = stored.TryGetProperty("startedAt", out var startedAt) ? startedAt.GetDateTimeOffset() : workflow.Now,
                Completed = new(null, TextOf(stored, "completed") ?? Earlier(parent?.Id, nodeId, tag)),
            };
            if (stored.TryGetProperty("outcomes", out var outcomes) && outcomes.ValueKind == JsonValueKind.Array)
                context.Outcomes = new([.. outcomes.EnumerateArray().Select(o => o.GetString() ?? "")]);
            context.Restore(MapOf(stored, "properties"), MapOf(stored, "activityState"), SlotsOf(stored));
            context.RestoreRecord(MapOf(stored, "outputs"), MapOf(stored, "journalData"));
            byId.Add(id, context);
            workflow.Attach(context);
        }

        foreach (var item in Items(state, "scheduled"))
        {
            var nodeId = TextOf(item, "nodeId")!;
            var ownerId = TextOf(item, "ownerId");
            var tag = TextOf(item, "tag");
            workflow.Enqueue(new(
                workflow.NodeOf(nodeId), ownerId is null ? null : byId[ownerId], tag, SlotsOf(item), new(null, TextOf(item, "completed") ?? Earlier(ownerId, nodeId, tag)),
                TextOf(item, "existingId") is { } existing ? byId[existing] : null));
        }

        string? Earlier(string? ownerId, string nodeId, string? tag) =>
            callbacks.Find(c => c.OwnerId == ownerId && c.ChildNodeId == nodeId && c.Tag == tag)?.MethodName;
    }

    private static List<VariableSlot>? SlotsOf(JsonElement stored)
    {
        if (!stored.TryGetProperty("variables", out var variables) || variables.ValueKind != JsonValueKind.Array || variables.GetArrayLength() == 0)
            return null;
        return [.. variables.EnumerateArray().Select(v => new VariableSlot(
            TextOf(v, "id")!, TextOf(v, "name")!, TextOf(v, "typeName") ?? "Object", WorkflowJson.ToPlain(v.GetProperty("value")),
            !(v.TryGetProperty("isTransient", out var isTransient) && isTransient.GetBoolean())))];
    }

    private static Dictionary<string, object?>? MapOf(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? (Dictionary<string, object?>)WorkflowJson.ToPlain(value)! : null;

    private static List<T> ListOf<T>(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0
            ? value.Deserialize<List<T>>(WorkflowJson.Options)!
            : [];

    private static IEnumerable<JsonElement> Items(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [];

    private static string? TextOf(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static T EnumOf<T>(JsonElement parent, string name, T otherwise)
        where T : struct, Enum
        => TextOf(parent, name) is { } text && Enum.TryParse<T>(text, out var value) ? value : otherwise;

    private static string NameOf<T>(T value)
        where T : struct, Enum
        => Enum.GetName(value)!;

    // One writer a thread: a commit's rendering never awaits.
    [ThreadStatic]
    private static ScratchWriter? _scratch;

    private sealed class ScratchWriter
    {
        public ArrayBufferWriter<byte> Buffer { get; } = new(4096);
        public Utf8JsonWriter Writer { get; }

        public ScratchWriter() => Writer = new(Buffer, WriterOptions);
    }
}
