using Aura.Orchestra.Employees;
using Aura.Orchestra.Planning;
using Aura.Orchestra.Tests.Employees;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Planning;

public sealed class PlannerTests(AimockServer server) : IClassFixture<AimockServer>
{
    private Task<PlannerResult> PlanAsync(string model, string backend = "openai", EmployeeOptions? given = null)
    {
        var options = given ?? server.Options();
        return new Planner(new EmployeeBackends(options, TimeProvider.System), options).PlanAsync(new()
        {
            Backend = backend,
            Model = model,
            ProjectName = "demo",
            Title = "Do much",
            Description = "All of it",
            Files = ["app.py"],
        });
    }

    private static PlanGraph Planned(PlannerResult result) => result.Outcome.ShouldBeOfType<PlanOutcome.Planned>().Graph;

    private static IReadOnlyList<string> Refused(PlannerResult result) => result.Outcome.ShouldBeOfType<PlanOutcome.PlanRefused>().Reasons;

    [Fact]
    public async Task PlanAsync_StrictJson_BecomesAnOrderedGraph()
    {
        var result = await PlanAsync("plans");

        Planned(result).Tasks.Select(t => t.Id).ShouldBe(["a", "b"]);
        Planned(result).Tasks[0].AllowedPaths.ShouldBe(["app/**"]);
        (result.Rounds, result.Usage).ShouldBe((1, new EmployeeUsage(70, 0, 7)));
        var body = (await server.RequestsAsync("plans"))[0];
        body.GetProperty("response_format").GetProperty("json_schema").GetProperty("strict").GetBoolean().ShouldBeTrue();
        body.GetProperty("messages")[1].GetProperty("content").ToString().ShouldContain("app.py");
    }

    [Fact]
    public async Task PlanAsync_FencedJson_IsRead() => Planned(await PlanAsync("fenced")).Tasks.ShouldHaveSingleItem().Title.ShouldBe("Only");

    [Fact]
    public async Task PlanAsync_Cycle_IsSentBackAndMended()
    {
        var result = await PlanAsync("mends");

        result.Rounds.ShouldBe(2);
        Planned(result).Tasks.Select(t => t.Id).ShouldBe(["a", "b"]);
    }

    [Fact]
    public async Task PlanAsync_NeverJson_IsRefusedAfterOneRepair()
    {
        var result = await PlanAsync("never-json");

        result.Rounds.ShouldBe(2);
        Refused(result)[0].ShouldContain("no usable plan in 2 tries");
        Refused(result)[1].ShouldStartWith("The answer is not valid JSON");
    }

    [Theory]
    [InlineData("cut-plan", "The plan was cut")]
    [InlineData("filtered", "The planner model refused")]
    [InlineData("limited", "The planner gave no plan: openai at")]
    public async Task PlanAsync_NoPlanToMend_IsRefusedAtOnce(string model, string reason)
    {
        var result = await PlanAsync(model);

        result.Rounds.ShouldBe(1);
        Refused(result).ShouldHaveSingleItem().ShouldStartWith(reason);
    }

    [Fact]
    public async Task PlanAsync_BackendWithoutModel_SaysWhatToDo()
    {
        Refused(await PlanAsync("x", "scripted")).ShouldHaveSingleItem().ShouldContain("Give the PRD its 'tasks'");
        Refused(await PlanAsync("x", "openai", new())).ShouldHaveSingleItem().ShouldContain("OPENAI_API_KEY is not set");
    }

    [Theory]
    [InlineData("[]", "The answer is not an object with a list 'tasks'.")]
    [InlineData("""{"tasks":[]}""", "The plan has no tasks.")]
    [InlineData("""{"tasks":[1]}""", "tasks[0] is not an object.")]
    [InlineData("""{"tasks":[{"id":"a"}]}""", "tasks[0].title must be a text that is not empty.")]
    [InlineData("""{"tasks":[{"id":"a","title":"A","depends_on":"b"}]}""", "tasks[0].depends_on must be a list of texts.")]
    [InlineData("""{"tasks":[{"id":"a","title":"A","description":5}]}""", "tasks[0].description must be a text.")]
    [InlineData("""{"tasks":[{"id":"a","title":"A"},{"id":"b","title":"A"}]}""", "Two tasks have the title 'A'.")]
    [InlineData("""{"tasks":[{"id":"a","title":"A"},{"id":"b","title":"B"},{"id":"c","title":"C"}]}""", "The plan has 3 tasks; at most 2 are accepted.")]
    public void Read_UnusablePlan_GivesTheReason(string text, string reason) =>
        Planner.Read(text, maxTasks: 2).ShouldBeOfType<PlanOutcome.PlanRefused>().Reasons.ShouldBe([reason]);
}
