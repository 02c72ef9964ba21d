using Aura.Orchestra.Employees;
using Aura.Orchestra.Tests.Planning;
using FsCheck;
using FsCheck.Fluent;

namespace Aura.Orchestra.Tests.Employees;

public sealed class ModelAssignmentTests
{
    private static readonly ModelCandidate Good = new("good", true, 0.9, 10);
    private static readonly ModelCandidate Fair = new("fair", true, 0.6, 10);
    private static readonly ModelCandidate Poor = new("poor", true, 0.3, 10);
    private static readonly ModelCandidate New = new("new", true, null, 0);
    private static readonly ModelCandidate Lucky = new("lucky", true, 1.0, 2);
    private static readonly ModelCandidate Cheap = new("cheap", true, 0.86, 10) { Cost = 0.01 };
    private static readonly ModelCandidate Dear = new("dear", true, 0.9, 10) { Cost = 0.5 };
    private static readonly ModelCandidate Down = new("down", true, 1.0, 10) { Down = "no answer" };
    private static readonly ModelCandidate Reviewer = new("reviewer", true, 1.0, 10) { Roles = ["Reviewer"] };
    private static readonly ModelCandidate Off = new("off", false, 1.0, 50);

    public static TheoryData<string, ModelCandidate[], string?, string?, double, string?, string> Choices => new()
    {
        { "best score", [Poor, Good, Fair], null, null, 0.5, "good", "Best of 3 models: average 0.90 over 10 runs." },
        { "too few runs count as neutral", [Lucky, Fair], null, null, 0.5, "fair", "average 0.60 over 10 runs" },
        { "neutral beats poor", [Poor, New], null, null, 0.5, "new", "0 runs, fewer than 3, counted as 0.50" },
        { "equal: fewer runs", [Lucky, New], null, null, 0.5, "new", "Best of 2" },
        { "equal: by name", [New with { Name = "b" }, New with { Name = "a" }], null, null, 0.5, "a", "Best of 2" },
        { "inactive is not used", [Off, Poor], null, null, 0.5, "poor", "The only model to choose from" },
        { "exploration: fewest runs first", [Good, Fair, New], null, null, 0.0, "new", "Exploration (10%" },
        { "exploration: the roll picks", [Good, Fair, New], null, null, 0.099, "fair", "Exploration" },
        { "at the share no exploration", [Good, Fair, New], null, null, 0.1, "good", "Best of 3" },
        { "nothing to explore", [Good], null, null, 0.0, "good", "The only model" },
        { "pinned", [Good, Poor], "poor", null, 0.0, "poor", "Pinned by the Director." },
        { "pinned though it just failed", [Good, Poor], "poor", "poor", 0.5, "poor", "Pinned by the Director." },
        { "pinned but off", [Good, Off], "off", null, 0.5, "good", "The pinned model 'off' is switched off." },
        { "pinned but unknown", [Good], "ghost", null, 0.5, "good", "The pinned model 'ghost' is not among the candidates." },
        { "just failed is avoided", [Good, Poor], null, "good", 0.5, "poor", "'good' is avoided because its attempt before failed." },
        { "just failed and alone", [Good], null, "good", 0.5, "good", "The only active model, although its attempt before failed." },
        { "just failed, the other is off", [Good, Off], null, "good", 0.5, "good", "The only active model" },
        { "just failed is not explored", [Good, Poor, New], null, "new", 0.0, "poor", "Exploration" },
        { "nearly equal: the cheaper", [Dear, Cheap], null, null, 0.5, "cheap", "Cheapest of 2 models that score nearly the same: average 0.86 over 10 runs, 0.01 an attempt." },
        { "nearly equal: unknown cost last", [Good, Dear], null, null, 0.5, "dear", "0.5 an attempt" },
        { "clearly better though dearer", [Dear, Fair with { Cost = 0.001 }], null, null, 0.5, "dear", "Best of 2 models" },
        { "exploration never takes the choice itself", [Dear, Cheap], null, null, 0.0, "dear", "Exploration" },
        { "down is passed over", [Down, Fair], null, null, 0.5, "fair", "The only model to choose from: average 0.60 over 10 runs. 'down' is down: no answer." },
        { "down is not explored", [Down, Good, Fair], null, null, 0.0, "fair", "Exploration" },
        { "all down", [Down], null, null, 0.5, null, "Every model that could take the job is down. 'down' is down: no answer." },
        { "pinned and down", [Down, Good], "down", null, 0.5, null, "The pinned model 'down' is down: no answer." },
        { "just failed, the other is down", [Good, Down], null, "good", 0.5, "good", "The only active model, although its attempt before failed. 'down' is down" },
        { "another role", [Reviewer, Poor], null, null, 0.5, "poor", "The only model to choose from" },
        { "its role alone", [Reviewer], null, null, 0.5, null, "None of the 1 active models of this backend takes the role 'Employee'." },
        { "pinned though of another role", [Reviewer, Poor], "reviewer", null, 0.5, "reviewer", "Pinned by the Director." },
        { "none", [], null, null, 0.5, null, "No model is known for this backend." },
        { "none active", [Off], "off", null, 0.5, null, "None of the 1 models of this backend is active. The pinned model 'off' is switched off." },
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public void Choose_Case_GivesModelAndReason(
        string name, ModelCandidate[] candidates, string? pinned, string? failed, double roll, string? expected, string reason)
    {
        var choice = ModelAssignment.Choose(new() { Candidates = candidates, PinnedModel = pinned, JustFailed = failed, Roll = roll, Role = "Employee" });

        choice.Model.ShouldBe(expected, name);
        choice.Reason.ShouldContain(reason, Case.Sensitive, name);
        // Only what passes by itself is waited for.
        choice.IsTemporary.ShouldBe(expected is null && choice.Reason.Contains(" down", StringComparison.Ordinal), name);
    }

    [Fact]
    public void Choose_AnyCandidates_NeverTakesAnInactiveOneAndAvoidsTheFailedWhereItCan()
    {
        var candidate = from name in Gen.Elements("a", "b", "c", "d")
                        from active in Gen.Elements(true, false)
                        from score in Gen.Choose(0, 100)
                        from runs in Gen.Choose(0, 6)
                        select new ModelCandidate(name, active, runs == 0 ? null : score / 100.0, runs);
        var requests = from candidates in Gen.ListOf(candidate)
                       from roll in Gen.Choose(0, 999)
                       from share in Gen.Choose(0, 100)
                       from failed in Gen.Elements("a", "b", null)
                       select new AssignmentRequest { Candidates = [.. candidates.DistinctBy(c => c.Name)], Roll = roll / 1000.0, ExplorationShare = share / 100.0, JustFailed = failed };

        Law.Holds(requests.ToArbitrary(), request =>
        {
            var choice = ModelAssignment.Choose(request);
            var active = request.Candidates.Where(c => c.IsActive).Select(c => c.Name).ToList();
            return choice.Reason.Length > 0 && (active.Count == 0
                ? choice.Model is null
                : active.Contains(choice.Model!) && (choice.Model != request.JustFailed || active.Count == 1));
        });
    }
}
