using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Aura.Workflows.Scheduling;

namespace Aura.Workflows.Activities;

/// <summary>A schedule as a trigger's payload. The clock sends no stimulus; the payload is what is stored.</summary>
internal sealed record ScheduleTrigger(string Expression, string? TimeZone, CatchUpPolicy CatchUp)
{
    /// <summary>The schedule's kind for a stimulus' name; null when the name is no schedule's.</summary>
    public static string? KindOf(string name) => name is "Elsa.Timer" or "Elsa.Cron" or "Elsa.StartAt" ? name["Elsa.".Length..] : null;

    /// <exception cref="FormatException">The expression cannot be read: publishing says so, with the author watching.</exception>
    public static IEnumerable<TriggerPayload> Payloads(string kind, string expression, string? timeZone, CatchUpPolicy catchUp)
    {
        new Schedule(kind, expression, timeZone, catchUp).Decide(null, DateTimeOffset.UnixEpoch);
        return [new($"Elsa.{kind}", new ScheduleTrigger(expression, timeZone, catchUp))];
    }

    /// <summary>As the trigger of this run it has fired; inside a workflow it waits until then.</summary>
    public static ValueTask WaitUntilAsync(ActivityExecutionContext context, DateTimeOffset? time)
    {
        var delay = time - context.WorkflowExecutionContext.Now;
        if (context.WorkflowExecutionContext.TriggerActivityId == context.Activity.Id || delay is null || delay <= TimeSpan.Zero)
            return context.CompleteActivityAsync();
        context.DelayFor(delay.Value);
        return default;
    }
}

/// <summary>Starts a workflow at a time, or waits for it inside one. A time that has passed is over at once.</summary>
[Activity("Elsa", "Scheduling", "Starts the workflow at a time, or waits for that time.", DisplayName = "Start At", Kind = ActivityKind.Trigger)]
public sealed class StartAt : Activity, ITrigger
{
    [Required]
    [Input(Description = "The time, for example 2026-01-31T12:00:00Z.", DisplayName = "Date Time")]
    public Input<DateTimeOffset>? DateTime { get; set; }

    [Input(Description = "For a trigger: what to do when the time passed while nothing ran.", Category = "Schedule", DefaultValue = CatchUpPolicy.FireOnce)]
    public Input<CatchUpPolicy>? CatchUp { get; set; }

    ValueTask<IEnumerable<TriggerPayload>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) => ValueTask.FromResult(
        ScheduleTrigger.Payloads(nameof(StartAt), context.Get(DateTime).ToUniversalTime().ToString("O"), null, context.Get(CatchUp)));

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => ScheduleTrigger.WaitUntilAsync(context, context.Get(DateTime));
}

/// <summary>Starts a workflow again and again, or waits for one interval inside one.</summary>
[Activity("Elsa", "Scheduling", "Starts the workflow at regular intervals, or waits for one interval.", Kind = ActivityKind.Trigger)]
public sealed class Timer : Activity, ITrigger
{
    [Required]
    [Input(Description = "The interval, as d.hh:mm:ss.")]
    public Input<TimeSpan>? Interval { get; set; }

    [Input(Description = "For a trigger: what to do with times that passed while nothing ran.", Category = "Schedule", DefaultValue = CatchUpPolicy.FireOnce)]
    public Input<CatchUpPolicy>? CatchUp { get; set; }

    ValueTask<IEnumerable<TriggerPayload>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) => ValueTask.FromResult(
        ScheduleTrigger.Payloads(nameof(Timer), context.Get(Interval).ToString("c", CultureInfo.InvariantCulture), null, context.Get(CatchUp)));

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) =>
        ScheduleTrigger.WaitUntilAsync(context, context.WorkflowExecutionContext.Now + context.Get(Interval));
}

/// <summary>Starts a workflow at the times of a cron expression, or waits for the next of them inside one.</summary>
[Activity("Elsa", "Scheduling", "Starts the workflow at the times of a cron expression, or waits for the next of them.", Kind = ActivityKind.Trigger)]
public sealed class Cron : Activity, ITrigger
{
    [Required]
    [Input(Description = "Six fields: second, minute, hour, day of month, month, day of week; or five, without seconds.", DisplayName = "CRON Expression")]
    public Input<string>? CronExpression { get; set; }

    [Input(
        Description = "The time zone of the expression, an IANA name such as Europe/Berlin.", Category = "Schedule", DefaultValue = "UTC",
        UIHint = InputUIHints.DropDown, UIHandler = typeof(TimeZoneOptions))]
    public Input<string>? TimeZone { get; set; }

    [Input(Description = "For a trigger: what to do with times that passed while nothing ran.", Category = "Schedule", DefaultValue = CatchUpPolicy.FireOnce)]
    public Input<CatchUpPolicy>? CatchUp { get; set; }

    ValueTask<IEnumerable<TriggerPayload>> ITrigger.GetTriggerPayloadsAsync(TriggerIndexingContext context) => ValueTask.FromResult(
        ScheduleTrigger.Payloads(nameof(Cron), context.Get(CronExpression) ?? "", context.Get(TimeZone), context.Get(CatchUp)));

    protected override ValueTask ExecuteAsync(ActivityExecutionContext context) => ScheduleTrigger.WaitUntilAsync(
        context, new CronSchedule(context.Get(CronExpression) ?? "", context.Get(TimeZone)).NextAfter(context.WorkflowExecutionContext.Now));
}
