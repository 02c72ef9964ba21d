using Aura.Orchestra.Scoring;

namespace Aura.Orchestra.Tests.Scoring;

public sealed class ScoreTests
{
    [Theory]
    [InlineData(1.0, 1.0, 1.0, true, 0.0, 0.90)]
    [InlineData(1.0, 0.5, 1.0, true, 0.0, 0.75)]
    [InlineData(0.5, 0.0, 0.5, false, 0.0, 0.25)]
    [InlineData(1.0, 1.0, 1.0, true, 1.0, 0.65)]
    [InlineData(1.0, 1.0, 1.0, true, 4.0, 0.0)]
    [InlineData(0.0, 0.0, 0.0, false, 0.0, 0.0)]
    // Without another artifact: 0.30 goes to the others as 4 : 1 : 1.
    [InlineData(1.0, null, 1.0, true, 0.0, 0.90)]
    [InlineData(1.0, null, 0.0, false, 0.0, 0.60)]
    [InlineData(0.0, null, 1.0, false, 0.0, 0.15)]
    [InlineData(0.5, null, 0.5, true, 0.25, 0.4625)]
    // Signals out of range or undefined are brought back.
    [InlineData(7.0, 2.0, -3.0, true, -1.0, 0.80)]
    [InlineData(double.NaN, 1.0, double.NaN, true, 0.0, 0.40)]
    public void Of_Signals_FollowsTheFormula(double tests, double? agreement, double docs, bool fast, double penalties, double expected)
    {
        var score = Score.Of(
            new() { TestScore = tests, CrossModelAgreement = agreement, DocsQuality = docs, PerformanceOk = fast, Penalties = penalties }, new());
        score.Value.ShouldBe(expected, 1e-9);
        score.AgreementRedistributed.ShouldBe(agreement is null);
        score.Terms.Select(t => t.Name).ShouldBe(["test_score", "cross_model_agreement", "docs_quality", "performance_ok", "penalties"]);
        Math.Clamp(score.Terms.Sum(t => t.Contribution), 0, 1).ShouldBe(expected, 1e-6);
    }

    [Fact]
    public void Of_OtherWeights_AreUsedAndAlwaysStayInRange()
    {
        Score.Of(new() { TestScore = 1, CrossModelAgreement = 1, DocsQuality = 1, PerformanceOk = true }, new() { Tests = 5 }).Value.ShouldBe(1);
        Score.Of(new() { TestScore = 1, DocsQuality = 1, PerformanceOk = true }, new() { Tests = 0, Docs = 0, Performance = 0 }).Value.ShouldBe(0);
        var random = new Random(7);
        for (var i = 0; i < 5000; i++)
        {
            var signals = new ScoreSignals
            {
                TestScore = random.NextDouble(),
                CrossModelAgreement = random.Next(2) == 0 ? null : random.NextDouble(),
                DocsQuality = random.NextDouble(),
                PerformanceOk = random.Next(2) == 0,
                Penalties = random.NextDouble() * 3,
            };
            var value = Score.Of(signals, new()).Value;
            value.ShouldBeInRange(0, 1);
            Score.Of(signals with { TestScore = Math.Min(1, signals.TestScore + 0.1) }, new()).Value.ShouldBeGreaterThanOrEqualTo(value);
            Score.Of(signals with { Penalties = signals.Penalties + 0.1 }, new()).Value.ShouldBeLessThanOrEqualTo(value);
        }
    }

    [Theory]
    [InlineData(0, 0, 0, 0.0)]
    [InlineData(3, 1, 0, 0.75)]
    [InlineData(3, 0, 1, 0.75)]
    public void TestScoreOf_Counts_IsTheShare(int passed, int failed, int errors, double expected) =>
        Score.TestScoreOf(passed, failed, errors).ShouldBe(expected);

    [Fact]
    public void Of_PythonSource_FindsWhatIsPublic()
    {
        var found = PublicSignatures.Of(new Dictionary<string, string>
        {
            ["app/a.py"] = """"
                """Module with def fake(x): in its text."""
                import os  # def not_me():

                TEXT = '''
                def neither(x):
                '''


                def first(a, b: int = len("),("), *rest, key=lambda x: (x, 1), **more) -> dict[str, int]:
                    """Says something."""
                    def inner(x):
                        pass


                async def second(
                    a,  # the first
                    b: dict[str, int] = {"x": 1},
                    *,
                    c=None,
                ):
                    return a


                def _private(x): pass


                @decorated(1)
                class Account(Base, metaclass=Meta):
                    r'''Holds money.'''

                    def __init__(self, owner):
                        self.owner = owner

                    @property
                    def balance(self): return 0

                    def _hidden(self): pass

                    class Inner:
                        def deep(self, x): "doc"


                if True:
                    def conditional(): ...

                class _Own:
                    def invisible(self): pass
                """",
            ["tests/test_a.py"] = "def test_x(): pass\n",
            ["readme.md"] = "def no(): pass\n",
        });
        found.Signatures.Select(s => $"{s.Name}({s.Parameters})").ShouldBe(
        [
            "first(a, b, *rest, key, **more)", "second(a, b, *, c)", "Account(Base, metaclass)", "Account.__init__(self, owner)",
            "Account.balance(self)", "Account.Inner()", "Account.Inner.deep(self, x)", "conditional()",
        ]);
        found.Documented.ShouldBe(3);
        PublicSignatures.Of(new Dictionary<string, string>()).DocsQuality.ShouldBe(1);
    }

    [Fact]
    public void Of_AnyText_NeverThrows()
    {
        string[] pieces = ["def ", "class ", "f", "(", ")", "'", "\"\"\"", "\n", "    ", "#", "\\", ":", ",", "async ", "[", "}", "\r\n", "="];
        var random = new Random(3);
        for (var i = 0; i < 5000; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 40)).Select(_ => pieces[random.Next(pieces.Length)]));
            PublicSignatures.Of(new Dictionary<string, string> { ["a.py"] = text }).DocsQuality.ShouldBeInRange(0, 1);
        }
    }

    [Fact]
    public void Of_OtherArtifacts_IsTheShareThatAgrees()
    {
        var own = Read("def f(a): pass\n\n\ndef g(): pass\n");
        CrossModelAgreement.Of(own, []).ShouldBeNull();
        CrossModelAgreement.Of(own, [Read("def g():\n    return 2\n\n\ndef f(a: int = 3):\n    return 1\n"), Read("def f(b): pass\n")]).ShouldBe(0.5);

        static PublicSignatures Read(string source) => PublicSignatures.Of(new Dictionary<string, string> { ["a.py"] = source });
    }
}
