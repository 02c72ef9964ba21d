using System.Text.Json;
using Aura.Workflows.Activities;

namespace Aura.Workflows.Tests.Execution;

public sealed class TaskPolicyTests
{
    private static readonly TimeSpan HostDefault = TimeSpan.FromMilliseconds(500);

    [Fact]
    public void Of_EveryMember_IsRead()
    {
        var policy = Policy("""
            {"maxAttempts":7,"timeoutSeconds":90,"heartbeatSeconds":4.5,"priority":-3,"backoff":{"initialSeconds":2,"factor":3,"maxSeconds":20},
             "nonRetryable":["A","B.C"],"concurrency":{"key":"k","limit":4}}
            """);

        policy.MaxAttempts.ShouldBe(7);
        policy.Timeout.ShouldBe(TimeSpan.FromSeconds(90));
        policy.Heartbeat.ShouldBe(TimeSpan.FromSeconds(4.5));
        policy.Priority.ShouldBe(-3);
        (policy.InitialBackoff, policy.BackoffFactor, policy.MaxBackoff).ShouldBe((TimeSpan.FromSeconds(2), 3.0, TimeSpan.FromSeconds(20)));
        policy.NonRetryable.ShouldBe(["A", "B.C"]);
        (policy.ConcurrencyKey, policy.ConcurrencyLimit).ShouldBe(("k", 4));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[1]")]
    [InlineData("""{"maxAttempts":0,"timeoutSeconds":-1,"heartbeatSeconds":0,"backoff":7,"nonRetryable":"x","concurrency":[]}""")]
    [InlineData("""{"maxAttempts":"many","backoff":{"factor":0.5,"initialSeconds":"soon","maxSeconds":0}}""")]
    public void Of_MissingOrSenseless_TakesTheDefaults(string json)
    {
        var policy = Policy(json);

        (policy with { NonRetryable = TaskPolicy.Default.NonRetryable }).ShouldBe(TaskPolicy.Default);
        policy.NonRetryable.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1, 0.5)]
    [InlineData(2, 1)]
    [InlineData(5, 8)]
    [InlineData(8, 60)]
    [InlineData(1_000_000, 60)]
    public void DelayAfter_Attempts_DoublesUpToTheMaximum(int attempt, double seconds) =>
        TaskPolicy.Default.DelayAfter(attempt, HostDefault, 0).ShouldBe(TimeSpan.FromSeconds(seconds));

    [Fact]
    public void DelayAfter_OwnBackoff_StandsBeforeTheHosts()
    {
        var policy = Policy("""{"backoff":{"initialSeconds":2,"factor":3,"maxSeconds":20}}""");

        new[] { 1, 2, 3, 4 }.Select(a => policy.DelayAfter(a, HostDefault, 0).TotalSeconds).ShouldBe([2, 6, 18, 20]);
    }

    [Fact]
    public void DelayAfter_Random_AddsUpToAQuarter()
    {
        TaskPolicy.Default.DelayAfter(2, HostDefault, 0.5).ShouldBe(TimeSpan.FromSeconds(1.125));
        TaskPolicy.Default.DelayAfter(2, HostDefault, 0.999_999).ShouldBeLessThan(TimeSpan.FromSeconds(1.25));
    }

    [Fact]
    public void DelayAfter_HugeFactorAndNoPause_IsStillATime()
    {
        var policy = Policy("""{"backoff":{"factor":1e300}}""");

        policy.DelayAfter(50, HostDefault, 0).ShouldBe(TimeSpan.FromMinutes(1));
        policy.DelayAfter(50, TimeSpan.Zero, 0).ShouldBe(TimeSpan.Zero);
    }

    [Theory]
    [InlineData("ArgumentNullException", false)]
    [InlineData("System.ArgumentNullException", false)]
    [InlineData("ArgumentException", false)]
    [InlineData("System.ArgumentException", false)]
    [InlineData("Exception", false)]
    [InlineData("InvalidOperationException", true)]
    [InlineData("NullException", true)]
    public void MayRetry_NamedType_DecidesWithItsBases(string named, bool retries) =>
        (TaskPolicy.Default with { NonRetryable = [named] }).MayRetry(1, new ArgumentNullException(nameof(named))).ShouldBe(retries);

    [Fact]
    public void MayRetry_Attempts_AreCounted()
    {
        var policy = TaskPolicy.Default with { MaxAttempts = 3 };

        new[] { 1, 2, 3, 4 }.Select(a => policy.MayRetry(a, new InvalidOperationException())).ShouldBe([true, true, false, false]);
    }

    [Theory]
    [InlineData("employee:a", "queue|employee:*", 2)]
    [InlineData("employee:", "queue|employee:*", 2)]
    [InlineData("validator", "queue|validator", 3)]
    [InlineData("validator2", null, 1)]
    public void LimitOf_Queue_FindsNameOrBeginning(string queue, string? key, int limit)
    {
        var options = new Workflows.Runtime.WorkflowsOptions { QueueLimits = { ["employee:*"] = 2, ["validator"] = 3 } };

        options.LimitOf(queue).ShouldBe((key, limit));
    }

    private static TaskPolicy Policy(string json)
    {
        var activity = new WriteLine();
        activity.CustomProperties["task"] = JsonSerializer.Deserialize<JsonElement>(json);
        return TaskPolicy.Of(activity);
    }
}
