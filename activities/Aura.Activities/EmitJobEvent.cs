using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Events;

namespace Aura.Activities;

/// <summary>Puts an event of one's own into the timeline of a job or a PRD.</summary>
[Activity("Aura", "Aura Work", "Puts an event of yours into the timeline of a job or a PRD.", DisplayName = "Emit event")]
public sealed class EmitJobEvent : CodeActivity
{
    [Input(Description = "The job; empty for an event of the PRD.")]
    public Input<string>? JobId { get; set; }

    [Input(Description = "The PRD, when no job is given.")]
    public Input<string>? PrdId { get; set; }

    [Required]
    [Input(Description = "Lower case words joined by dots, for example job.note.")]
    public Input<string> EventType { get; set; } = default!;

    [Input(Description = "What the event tells; any JSON.")]
    public Input<object>? Data { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var work = context.GetRequiredService<UnitOfWork>();
        if (context.Get(JobId) is { Length: > 0 } job)
            work.Add(EventChanges.OfJob(job, EventType.Get(context), context.Get(Data)));
        else if (context.Get(PrdId) is { Length: > 0 } prd)
            work.Add(EventChanges.OfPrd(prd, EventType.Get(context), context.Get(Data)));
        else
            throw new InvalidOperationException($"'{Id}' names neither a job nor a PRD.");
    }
}
