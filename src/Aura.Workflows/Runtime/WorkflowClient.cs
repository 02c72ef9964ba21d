using System.Text.Json;
using Aura.Workflows.Activities;
using Aura.Workflows.Definitions;
using Aura.Workflows.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Aura.Workflows.Runtime;

/// <summary>The statements that start an instance; the start happens when the caller's transaction commits.</summary>
public sealed record PreparedStart(string InstanceId, IReadOnlyList<NpgsqlBatchCommand> Statements);

/// <summary>How an instance is started.</summary>
public sealed record StartOptions
{
    public string? CorrelationId { get; init; }
    public string? Name { get; init; }

    /// <summary>The trigger that started it: the flowchart begins there.</summary>
    public string? TriggerActivityId { get; init; }

    /// <summary>A version's own id instead of the published version.</summary>
    public string? VersionId { get; init; }

    /// <summary>An id of the caller's choice; starting it twice is refused by the database.</summary>
    public string? InstanceId { get; init; }

    /// <summary>
    /// What goes along in the transaction that starts the instance, made of its id. It is executed also when the activation strategy keeps
    /// the instance out: a statement that should not then looks for it.
    /// </summary>
    public Func<string, NpgsqlBatchCommand>? Along { get; init; }
}

/// <summary>Starts, wakes, changes and cancels instances; prepared statements join any transaction of the caller's.</summary>
public sealed class WorkflowClient(DefinitionStore definitions, NpgsqlDataSource dataSource, HostIdentity host, IServiceProvider services, TimeProvider time)
{
    /// <summary>
    /// Starts an instance, durably when this returns. A host that runs workflows and has room runs it itself at once; starts of many
    /// callers go out together.
    /// </summary>
    /// <returns>The instance's id; null when the definition's activation strategy keeps it out.</returns>
    /// <exception cref="InvalidDefinitionException">There is no such version of that definition, and no published one when none is named.</exception>
    /// <exception cref="InvalidOperationException">The database refused it: the id is taken, for example.</exception>
    public async Task<string?> StartAsync(
        string definitionId, IReadOnlyDictionary<string, object?>? input = null, StartOptions? options = null, CancellationToken cancellationToken = default)
    {
        var instance = await NewAsync(definitionId, input, options ?? new(), cancellationToken);
        IReadOnlyList<NpgsqlBatchCommand> effects = options?.Along is { } along ? [along(instance.Id)] : [];
        var committer = services.GetService<GroupCommitter>();
        if (committer is null)
            return await ExecuteStartAsync(instance, effects, cancellationToken);

        var loop = services.GetService<BurstLoop>() is { HasRoom: true } runs ? runs : null;
        if (loop is not null)
            instance = instance with { Owner = host.Id };
        CommitOutcome outcome;
        try
        {
            outcome = await committer.CommitAsync(new() { Instances = [instance], Effects = effects }, cancellationToken);
        }
        catch
        {
            loop?.SuspectLeases();
            throw;
        }

        if (outcome is CommitOutcome.Refused refused)
            throw new InvalidOperationException($"The instance could not be started: {refused.Reason.Message}", refused.Reason);
        if (outcome is not CommitOutcome.Committed { Started: true } started)
            return null;
        if (!started.Owned)
            return instance.Id;
        loop?.Run(new(
            instance.Id, instance.DefinitionId, instance.DefinitionVersionId, instance.CorrelationId, null, null, instance.ActivationKey, host.Id, 1, 0,
            JsonSerializer.SerializeToUtf8Bytes(instance.State, WorkflowJson.Options))
        { Messages = [new(0, MessageKind.Start, null, null)] });
        return instance.Id;
    }

    /// <param name="input">The workflow's input; values must be serialisable.</param>
    /// <exception cref="InvalidDefinitionException">There is no published version of that definition.</exception>
    public async Task<PreparedStart> PrepareStartAsync(
        string definitionId, IReadOnlyDictionary<string, object?> input, string? correlationId = null, CancellationToken cancellationToken = default)
    {
        var instance = await NewAsync(definitionId, input, new() { CorrelationId = correlationId }, cancellationToken);
        return new(instance.Id, [CommitSql.Start(instance), Wake()]);
    }

    /// <summary>
    /// Delivers a stimulus to every bookmark with this name and payload (and correlation id, when given), and starts what it triggers.
    /// One that meets nobody is kept for a while.
    /// </summary>
    /// <param name="payload">Must serialise to the same JSON as the bookmark's stimulus: same members in the same order.</param>
    public NpgsqlBatchCommand PrepareStimulus(
        string name, object payload, IReadOnlyDictionary<string, object?>? input = null, string? correlationId = null) => Sql.Batch(
        CommitSql.SendStimuli, new[] { StimulusHash.Of(name, payload) }, new[] { correlationId }, JsonColumn.Of([input], JsonColumn.Serialize),
        services.GetRequiredService<IOptions<WorkflowsOptions>>().Value.StimulusRetention);

    /// <summary>As <see cref="PrepareStimulus"/>, sent now and together with what others send.</summary>
    public async Task SendStimulusAsync(
        string name, object payload, IReadOnlyDictionary<string, object?>? input = null, string? correlationId = null, CancellationToken cancellationToken = default)
    {
        var hash = StimulusHash.Of(name, payload);
        if (services.GetService<GroupCommitter>() is { } committer)
            await committer.CommitAsync(new() { Stimuli = [new(hash, correlationId, input)] }, cancellationToken);
        else
            await ExecuteAsync([PrepareStimulus(name, payload, input, correlationId), Wake()], cancellationToken);
    }

    /// <summary>
    /// Delivers a stimulus to the bookmarks of a name whose payload holds all members of the filter, whatever else it holds.
    /// </summary>
    /// <param name="filter">For example <c>new { Customer = 7 }</c>; members as the bookmark's payload spells them.</param>
    public NpgsqlBatchCommand PrepareFilteredStimulus(
        string name, object filter, IReadOnlyDictionary<string, object?>? input = null, string? correlationId = null) => Sql.Batch("""
        INSERT INTO wf.messages (instance_id, kind, target, payload)
        SELECT instance_id, 'Resume', id, $3 FROM wf.bookmarks
        WHERE name = $1 AND payload::jsonb @> $2::jsonb AND ($4::text IS NULL OR correlation_id = $4)
        """, name, JsonSerializer.Serialize(filter, WorkflowJson.Options), JsonValue.Of(input), correlationId);

    /// <summary>Delivers a stimulus to one instance. It is kept until the instance's next burst, also when no bookmark waits yet.</summary>
    public NpgsqlBatchCommand PrepareStimulusTo(
        string instanceId, string name, object payload, IReadOnlyDictionary<string, object?>? input = null) =>
        CommitSql.Send(new OutgoingMessage(instanceId, MessageKind.Stimulus, StimulusHash.Of(name, payload), input));

    /// <summary>Delivers an event to all that wait for it, and starts what it triggers. One that meets nobody is kept for a while.</summary>
    /// <param name="payload">What the waiting <see cref="Event"/> activities put out.</param>
    public NpgsqlBatchCommand PrepareEvent(string eventName, object? payload, string? correlationId = null) =>
        PrepareStimulus(Event.StimulusName, Event.StimulusOf(eventName), Event.InputOf(payload), correlationId);

    /// <summary>Delivers an event to one instance. It is kept until the instance's next burst, also when it does not wait for it yet.</summary>
    public NpgsqlBatchCommand PrepareEventTo(string instanceId, string eventName, object? payload) =>
        PrepareStimulusTo(instanceId, Event.StimulusName, Event.StimulusOf(eventName), Event.InputOf(payload));

    /// <summary>Delivers an event to one run of an <see cref="Event"/> activity. Affects no row when it does not wait for that event.</summary>
    public NpgsqlBatchCommand PrepareEventToActivity(string instanceId, string activityInstanceId, string eventName, object? payload) => Sql.Batch("""
        INSERT INTO wf.messages (instance_id, kind, target, payload)
        SELECT instance_id, 'Resume', id, $4 FROM wf.bookmarks WHERE instance_id = $1 AND activity_instance_id = $2 AND hash = $3
        """, instanceId, activityInstanceId, StimulusHash.Of(Event.StimulusName, Event.StimulusOf(eventName)), JsonValue.Of(Event.InputOf(payload)));

    /// <summary>Answers the request of a <see cref="RunTask"/> activity. Affects no row when nobody waits for that answer.</summary>
    public NpgsqlBatchCommand PrepareTaskAnswer(string taskId, object? result) => Sql.Batch("""
        INSERT INTO wf.messages (instance_id, kind, target, payload)
        SELECT instance_id, 'Resume', id, $2 FROM wf.bookmarks WHERE left(hash, 8) = left($1, 8) AND hash = $1
        """, StimulusHash.Of(RunTask.StimulusName, new { TaskId = taskId }), JsonValue.Of(new Dictionary<string, object?> { [RunTask.InputKey] = result }));

    /// <summary>Resumes a bookmark by its id alone. Affects no row when there is none.</summary>
    public NpgsqlBatchCommand PrepareResume(string bookmarkId, IReadOnlyDictionary<string, object?>? input = null) => Sql.Batch(
        "INSERT INTO wf.messages (instance_id, kind, target, payload) SELECT instance_id, 'Resume', id, $2 FROM wf.bookmarks WHERE id = $1",
        bookmarkId, JsonValue.Of(input));

    /// <summary>Cancels a running instance and, with it, its children. One that has ended stays as it is, also when it is retried later.</summary>
    /// <param name="by">The person who wants it; stands in the journal.</param>
    public NpgsqlBatchCommand PrepareCancel(string instanceId, string? by = null) => PrepareCancel([instanceId], by);

    /// <summary>As <see cref="PrepareCancel(string, string)"/>, of many.</summary>
    public NpgsqlBatchCommand PrepareCancel(IReadOnlyCollection<string> instanceIds, string? by) => Sql.Batch(
        "INSERT INTO wf.messages (instance_id, kind, payload) SELECT id, 'Cancel', $2 FROM wf.instances WHERE id = ANY($1) AND status = 'Running'",
        instanceIds.ToArray(), JsonValue.Of(by is null ? null : new { by }));

    /// <summary>
    /// Runs the faulted activities of an instance again, of all or of the given ids; the instance comes back when it had ended for them.
    /// Refused with a unique violation that says so when its activation strategy keeps it out, as another instance runs in its place.
    /// </summary>
    /// <param name="by">The person who wants it; stands in the journal.</param>
    public NpgsqlBatchCommand PrepareRetry(string instanceId, IReadOnlyCollection<string>? activityIds = null, string? by = null) =>
        PrepareChange(instanceId, MessageKind.Retry, by is null ? activityIds : new { activityIds, by });

    /// <summary>Changes an instance by hand, in the shapes that <see cref="Alterations"/> lists.</summary>
    /// <exception cref="ArgumentException">There is no such alteration.</exception>
    public NpgsqlBatchCommand PrepareAlteration(string instanceId, JsonElement alteration)
    {
        if (alteration.Text("type") is not { } type || !Alterations.Types.Contains(type))
            throw new ArgumentException($"An alteration's 'type' must be one of {string.Join(", ", Alterations.Types)}.", nameof(alteration));
        return PrepareChange(instanceId, MessageKind.Alter, alteration);
    }

    /// <summary>Sends what was prepared, in one transaction, and wakes the hosts.</summary>
    public Task ExecuteAsync(IReadOnlyList<NpgsqlBatchCommand> statements, CancellationToken cancellationToken = default) =>
        ExecuteAsync(statements, [], cancellationToken);

    /// <summary>As <see cref="ExecuteAsync(IReadOnlyList{NpgsqlBatchCommand}, CancellationToken)"/>, with records that go along only when something was written.</summary>
    /// <returns>The messages that were written; 0 when there was nobody to wake.</returns>
    public async Task<long> ExecuteAsync(
        IReadOnlyList<NpgsqlBatchCommand> statements, IReadOnlyList<NpgsqlBatchCommand> along, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(statements);
        ArgumentNullException.ThrowIfNull(along);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var statement in statements)
            batch.BatchCommands.Add(statement);
        batch.BatchCommands.Add(Wake());
        await batch.ExecuteNonQueryAsync(cancellationToken);
        var written = statements.Sum(s => s.StatementType == StatementType.Insert ? (long)s.Rows : 0);
        // A stimulus is delivered by a function: what it has met is nobody's concern here.
        if (along.Count > 0 && (written > 0 || statements.Any(s => s.StatementType == StatementType.Select)))
        {
            await using var records = new NpgsqlBatch(connection, transaction);
            foreach (var record in along)
                records.BatchCommands.Add(record);
            await records.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return written;
    }

    /// <summary>Wakes the loops of all hosts when its transaction commits; a hint, the rows are the truth.</summary>
    internal static NpgsqlBatchCommand Wake() => Sql.Batch(CommitSql.Wake);

    // An instance that ended as faulted runs again for this message; what it kept waits no longer.
    private static NpgsqlBatchCommand PrepareChange(string instanceId, MessageKind kind, object? payload) => Sql.Batch("""
        WITH revived AS MATERIALIZED (SELECT wf.revive($1))
        INSERT INTO wf.messages (instance_id, kind, payload) SELECT $1, $2, $3 FROM revived
        """, instanceId, kind.ToString(), JsonValue.Of(payload));

    private async Task<NewInstance> NewAsync(
        string definitionId, IReadOnlyDictionary<string, object?>? input, StartOptions options, CancellationToken cancellationToken)
    {
        var definition = await DefinitionAsync(definitionId, options, cancellationToken);
        return new(
            options.InstanceId ?? WorkflowExecutionContext.NewRowId(time), definition.DefinitionId, definition.Id, definition.Version,
            options.CorrelationId, options.Name, null, null,
            new() { Input = WorkflowExecutionContext.Json(input ?? new Dictionary<string, object?>()), TriggerActivityId = options.TriggerActivityId })
        {
            ActivationKey = definition.Options.ActivationKey(definition.DefinitionId, options.CorrelationId),
        };
    }

    private async ValueTask<WorkflowDefinition> DefinitionAsync(string definitionId, StartOptions options, CancellationToken cancellationToken)
    {
        var published = await definitions.FindPublishedAsync(definitionId, cancellationToken);
        if (options.VersionId is null)
            return published ?? throw new InvalidDefinitionException($"There is no published workflow '{definitionId}'. Import or publish it first.");
        // Whoever names a version has just read its trigger's row: it counts more than what this host remembers of the published one.
        return published?.Id == options.VersionId
            ? published
            : await definitions.FindVersionAsync(options.VersionId, cancellationToken)
                ?? throw new InvalidDefinitionException($"Workflow '{definitionId}' has no version '{options.VersionId}' any more.");
    }

    private async Task<string?> ExecuteStartAsync(
        NewInstance instance, IReadOnlyList<NpgsqlBatchCommand> effects, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { CommitSql.Start(instance) } };
        foreach (var effect in effects)
            batch.BatchCommands.Add(effect);
        batch.BatchCommands.Add(Wake());
        return await batch.ExecuteScalarAsync(cancellationToken) as string;
    }
}
