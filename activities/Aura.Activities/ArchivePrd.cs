using System.ComponentModel.DataAnnotations;
using Aura.Orchestra.Archive;

namespace Aura.Activities;

/// <summary>Copies a PRD that has ended, with all that belongs to it, into the archive for 365 days.</summary>
[Activity("Aura", "Aura Delivery", "Copies a PRD that has ended, with all that belongs to it, into the archive.", DisplayName = "Archive PRD")]
public sealed class ArchivePrd : CodeActivity
{
    [Required]
    [Input(DisplayName = "PRD ID", Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    protected override void Execute(ActivityExecutionContext context) =>
        context.GetRequiredService<UnitOfWork>().Add(ArchiveStore.Archive(PrdId.Get(context)));
}
