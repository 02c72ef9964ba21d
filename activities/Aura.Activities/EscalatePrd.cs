using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Prds;

namespace Aura.Activities;

/// <summary>Hands a PRD that the organisation cannot finish to the Director, with the reason; its open jobs are cancelled.</summary>
[Activity("Aura", "Aura Delivery", "Hands a PRD that cannot be finished to the Director, with the reason.", DisplayName = "Escalate PRD")]
public sealed class EscalatePrd : CodeActivity
{
    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    [Input(Description = "Why the PRD cannot be finished.")]
    public Input<string> Reason { get; set; } = default!;

    protected override void Execute(ActivityExecutionContext context)
    {
        var id = PrdId.Get(context);
        var work = context.GetRequiredService<UnitOfWork>();
        work.Add(PrdChanges.Escalated(id, context.Get(Reason) is { Length: > 0 } reason ? reason : "The pipeline gave no reason."));
        work.Add(JobChanges.CancelledOfPrd(id, "The PRD was escalated."));
    }
}
