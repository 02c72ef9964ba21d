using System.Text;
using Aura.Orchestra.Processes;

namespace Aura.Orchestra.Tests.Processes;

public sealed class ProcessRunnerTests : IDisposable
{
    private readonly ProcessRunner _runner = new();

    public void Dispose() => _runner.Dispose();

    [Fact]
    public async Task RunAsync_InputAndTwoStreams_GivesBothAndCallsTheListener()
    {
        var heard = new List<byte>();
        var result = await _runner.RunAsync(new()
        {
            FileName = "/bin/sh",
            Arguments = ["-c", "cat; echo err >&2; exit 3"],
            StandardInput = "ä\n",
            OnOutput = piece =>
            {
                lock (heard)
                    heard.AddRange(piece.Span);
            },
        });
        result.ExitCode.ShouldBe(3);
        result.StandardOutput.ShouldBe("ä\n");
        result.StandardError.ShouldBe("err\n");
        heard.Count.ShouldBe(Encoding.UTF8.GetByteCount("ä\nerr\n"));
    }

    [Fact]
    public async Task RunAsync_Flood_IsKilledAndBounded()
    {
        var result = await _runner.RunAsync(new() { FileName = "/usr/bin/yes", MaxOutputBytes = 1000, MaxTotalOutputBytes = 1 << 20, Timeout = TimeSpan.FromSeconds(30) });
        result.Flooded.ShouldBeTrue();
        result.TimedOut.ShouldBeFalse();
        result.Succeeded.ShouldBeFalse();
        result.StandardOutput.Length.ShouldBe(1000);
        result.Duration.ShouldBeLessThan(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task RunAsync_TimeLimit_KillsTheTreeAndKeepsWhatCame()
    {
        var result = await _runner.RunAsync(new() { FileName = "/bin/sh", Arguments = ["-c", "echo first; sleep 60 & sleep 60"], Timeout = TimeSpan.FromSeconds(1) });
        result.TimedOut.ShouldBeTrue();
        result.StandardOutput.ShouldBe("first\n");
        result.Duration.ShouldBeLessThan(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task RunAsync_Cancelled_Throws()
    {
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Should.ThrowAsync<OperationCanceledException>(_runner.RunAsync(new() { FileName = "/bin/sleep", Arguments = ["60"] }, cancel.Token));
    }

    [Fact]
    public void TryAcquire_HeldLock_IsRefusedUntilReleased()
    {
        var path = Path.Combine(Path.GetTempPath(), $"aura-lock-{Guid.NewGuid():N}");
        var held = FileLock.TryAcquire(path).ShouldNotBeNull();
        FileLock.TryAcquire(path).ShouldBeNull();
        held.Dispose();
        FileLock.TryAcquire(path).ShouldNotBeNull().Dispose();
        File.Delete(path);
    }
}
