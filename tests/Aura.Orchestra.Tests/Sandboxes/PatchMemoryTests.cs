namespace Aura.Orchestra.Tests.Sandboxes;

/// <summary>What a hostile patch makes the host allocate. The counter is that of the whole process, so nothing else runs beside this class.</summary>
[Collection(nameof(PatchMemoryTests))]
[CollectionDefinition(nameof(PatchMemoryTests), DisableParallelization = true)]
public sealed class PatchMemoryTests(EscapeTests.Ground ground) : IClassFixture<EscapeTests.Ground>
{
    [Theory]
    [MemberData(nameof(EscapeTests.Patches), MemberType = typeof(EscapeTests))]
    public async Task ApplyPatchAsync_Hostile_AllocatesLittle(string name, string patch, string code, string reason)
    {
        var sandbox = await ground.SandboxAsync();
        var before = GC.GetTotalAllocatedBytes();

        var refusal = (await sandbox.ApplyPatchAsync(patch)).Refusal;

        (GC.GetTotalAllocatedBytes() - before).ShouldBeLessThan(150L << 20, name);
        refusal.ShouldNotBeNull().Code.ShouldBe(code, reason);
    }
}
