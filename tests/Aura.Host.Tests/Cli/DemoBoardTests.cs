using System.Text.Json;
using Aura.Host.Cli;

namespace Aura.Host.Tests.Cli;

public sealed class DemoBoardTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Apply_AJobWithARetry_ShowsTheSecondAttemptAndCountsBothTimes()
    {
        var board = Play(
            (0, "prd.received", null, "{}"),
            (1, "prd.planned", null, "{}"),
            (1, "job.queued", "job-1", "{}"),
            (2, "job.assigned", "job-1", """{"model":"m","attempt":1}"""),
            (2, "job.in_progress", "job-1", "{}"),
            (4, "job.submitted", "job-1", "{}"),
            (7, "job.tick", "job-1", """{"name":"tests","passed":false}"""),
            (7, "job.queued", "job-1", """{"reason":"tests"}"""),
            (8, "job.assigned", "job-1", """{"model":"n","attempt":2}"""),
            (8, "job.in_progress", "job-1", "{}"),
            (9, "job.submitted", "job-1", "{}"),
            (10, "job.tick", "job-1", """{"name":"tests","passed":true}"""),
            (10, "job.completed", "job-1", """{"score":0.9}"""),
            (11, "job.integrated", "job-1", "{}"),
            (13, "prd.awaiting_approval", null, "{}"),
            (14, "prd.merging", null, "{}"),
            (15, "prd.archived", null, "{}"));

        var job = board.Jobs.ShouldHaveSingleItem();
        (job.Status, job.Model, job.Attempt, job.Score).ShouldBe(("INTEGRATED", "n", 2, 0.9));
        job.Ticks.ShouldBe([("tests", true)]);
        board.IsOver.ShouldBeTrue();
        board.Seconds.ShouldBe(new Dictionary<string, double>
        {
            ["planning"] = 1,
            ["employees"] = 3,
            ["validation"] = 4,
            ["integration"] = 1,
            ["proof of the whole"] = 2,
            ["approval"] = 1,
            ["merge and archive"] = 1,
        }, ignoreOrder: true);
    }

    [Theory]
    [InlineData("prd.escalated", "ESCALATED", true)]
    [InlineData("prd.rejected", "REJECTED", true)]
    [InlineData("prd.running", "RUNNING", false)]
    [InlineData("prd.merged", "RECEIVED", false)]
    public void Apply_PrdEvent_SetsTheStatus(string type, string status, bool isOver)
    {
        var board = Play((0, "prd.received", null, "{}"), (1, type, null, """{"reason":"because"}"""));

        (board.Status, board.IsOver, board.Reason).ShouldBe((status, isOver, "because"));
    }

    [Fact]
    public void Apply_UnknownEvent_ChangesNothing() =>
        Play((0, "prd.received", null, "{}"), (1, "something.else", "job-9", "{}")).Jobs.ShouldBeEmpty();

    private static DemoBoard Play(params (int Second, string Type, string? Job, string Data)[] events)
    {
        var board = new DemoBoard();
        foreach (var (second, type, job, data) in events)
        {
            board = board.Apply(new("1-1", type, JsonSerializer.SerializeToElement(new
            {
                prd_id = "prd-1",
                job_id = job,
                data = JsonSerializer.Deserialize<JsonElement>(data),
                created_at = Start.AddSeconds(second),
            })));
        }

        return board;
    }
}
