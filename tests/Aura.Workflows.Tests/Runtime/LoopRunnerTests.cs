using Aura.Workflows.Runtime;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aura.Workflows.Tests.Runtime;

public sealed class LoopRunnerTests
{
    [Fact]
    public async Task IsAlive_LoopWithALongPause_IsUntilThePauseAndTheGivenTimeAreOver()
    {
        var clock = new Clock();
        using var runner = new LoopRunner(new Rare(), new Pulse(), clock, NullLogger<LoopRunner>.Instance);
        runner.IsAlive(TimeSpan.FromMinutes(1)).ShouldBeFalse();
        await runner.StartAsync(TestContext.Current.CancellationToken);
        await clock.Paused.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

        // The longest that jitter makes of ten minutes.
        clock.Passed = TimeSpan.FromMinutes(12.9);
        runner.IsAlive(TimeSpan.FromMinutes(1)).ShouldBeTrue();
        clock.Passed = TimeSpan.FromMinutes(13.1);
        runner.IsAlive(TimeSpan.FromMinutes(1)).ShouldBeFalse();
        await runner.StopAsync(CancellationToken.None);
    }

    private sealed class Rare : ILoop
    {
        public string Name => "rare";

        public TimeSpan Interval => TimeSpan.FromMinutes(10);

        public bool HearsPulse => false;

        public Task<int> RunOnceAsync(CancellationToken cancellationToken) => Task.FromResult(0);
    }

    /// <summary>Goes on only when told to; pauses never end.</summary>
    private sealed class Clock : TimeProvider
    {
        public TaskCompletionSource Paused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TimeSpan Passed { get; set; } = TimeSpan.FromTicks(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Passed.Ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != Timeout.InfiniteTimeSpan)
                Paused.TrySetResult();
            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
