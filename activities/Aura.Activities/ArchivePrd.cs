using Aura.Orchestra.Archive;

namespace Aura.Activities;

/// <summary>Copies a PRD that has ended, with all that belongs to it, into the archive for 365 days.</summary>
[Activity("Aura", "Organisation", "Archive the PRD with its jobs.", DisplayName = "Archive PRD")]
public sealed class ArchivePrd : CodeActivity
{
    [Input(Description = "The PRD's id.")]
    public Input<string> PrdId { get; set; } = default!;

    protected override void Execute(ActivityExecutionContext context) =>
        context.GetRequiredService<UnitOfWork>().Add(ArchiveStore.Archive(PrdId.Get(context)));
}
