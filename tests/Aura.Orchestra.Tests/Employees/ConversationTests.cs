using System.Text.Json;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Chat;

namespace Aura.Orchestra.Tests.Employees;

public sealed class ConversationTests
{
    private static Conversation With(int room, int answers, int length)
    {
        var talk = new Conversation("system", "user", [], room);
        for (var i = 0; i < answers; i++)
        {
            var call =
                new ModelToolCall($"c{i}", "write_file", JsonSerializer.Serialize(new { path = $"f{i}.py", content = new string('y', length) }));
            talk.Add(new(Speaker.Model, "") { Calls = [call] });
            talk.Add(new(Speaker.Tool, $"answer {i} {new string('x', length)}") { Answers = call });
        }

        return talk;
    }

    [Fact]
    public void Fit_RoomEnough_ChangesNothing()
    {
        var talk = With(room: 100_000, answers: 5, length: 1000);

        talk.Fit().ShouldBeTrue();
        talk.Shortened.ShouldBe(0);
    }

    [Fact]
    public void Fit_NearTheLimit_ShortensTheOldestFirstAndKeepsValidCalls()
    {
        var talk = With(room: 8000, answers: 12, length: 1000);

        talk.Fit().ShouldBeTrue();

        var answers = talk.Messages.Where(m => m.Speaker == Speaker.Tool).Select(m => m.Text).ToList();
        answers[0].ShouldStartWith("[An old answer of write_file, ");
        answers[^1].ShouldStartWith("answer 11 xxx");
        talk.Shortened.ShouldBeInRange(1, 9);
        var first = talk.Messages.First(m => m.Calls.Count > 0).Calls[0];
        first.Arguments.Length.ShouldBeLessThan(500);
        JsonElement.Parse(first.Arguments).GetProperty("path").GetString().ShouldBe("f0.py");
        // No more at the next turn: there is room again.
        var before = talk.Shortened;
        talk.Fit().ShouldBeTrue();
        talk.Shortened.ShouldBe(before);
    }

    [Fact]
    public void Fit_ServerCountsMoreTokens_ShortensEarlier()
    {
        var talk = With(room: 8000, answers: 8, length: 1000);
        talk.Fit().ShouldBeTrue();
        talk.Shortened.ShouldBe(0);

        talk.Counted(promptTokens: 9000);

        talk.Fit().ShouldBeTrue();
        talk.Shortened.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Fit_NothingToShorten_SaysThatItDoesNotFit() => new Conversation(new('s', 50_000), "user", [], 1000).Fit().ShouldBeFalse();

    [Fact]
    public void Judge_SameCallAndAnswer_IsToldThenStopped()
    {
        var guard = new LoopGuard(3);
        var (same, other) = (ToolResult.Done("a"), ToolResult.Refused("not_found", "a"));

        Enumerable.Range(0, 4).Select(_ => guard.Judge("read_file", "{}", same))
            .ShouldBe([LoopVerdict.Goes, LoopVerdict.Goes, LoopVerdict.Warn, LoopVerdict.Stop]);
        guard.Judge("read_file", "{}", other).ShouldBe(LoopVerdict.Goes);
        guard.Judge("read_file", "{\"x\":1}", same).ShouldBe(LoopVerdict.Goes);
    }

    [Fact]
    public void Forget_AfterAChange_KeepsOnlyTheChangeItself()
    {
        var guard = new LoopGuard(2);
        var done = ToolResult.Done("");
        guard.Judge("read_file", "{}", done);
        guard.Judge("write_file", "{}", done);

        guard.Forget(("write_file", "{}"));

        guard.Judge("read_file", "{}", done).ShouldBe(LoopVerdict.Goes);
        guard.Judge("write_file", "{}", done).ShouldBe(LoopVerdict.Warn);
    }
}
