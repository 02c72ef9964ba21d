using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Tests.Tools;

/// <summary>What a model is told when its patch does not fit.</summary>
public sealed class PatchFailureTests
{
    private const string File = "def one():\n    return 1\n\n\ndef two():\n    return 2\n\n\ndef three():\n    return 3\n";

    [Fact]
    public async Task Explain_SecondHunkDoesNotFit_ShowsItBesideTheFile()
    {
        var why = await ExplainAsync("""
            --- a/app.py
            +++ b/app.py
            @@ -1,2 +1,2 @@
             def one():
            -    return 1
            +    return 10
            @@ -5,2 +5,2 @@
             def two():
            -    return 22
            +    return 20
            """);

        why.ShouldNotBeNull();
        why.ShouldStartWith("Hunk 2 of app.py does not fit: @@ -5,2 +5,2 @@");
        why.ShouldContain("  |     return 22");
        why.ShouldContain("    5 | def two():\n    6 |     return 2\n");
    }

    [Fact]
    public async Task Explain_WrongLineNumber_ShowsWhereTheLinesReallyAre()
    {
        var why = await ExplainAsync("--- a/app.py\n+++ b/app.py\n@@ -1,3 +1,3 @@\n def three():\n     return 3\n-    # gone\n");

        why.ShouldNotBeNull();
        why.ShouldContain("    9 | def three():\n   10 |     return 3");
    }

    [Theory]
    [InlineData("--- a/missing.py\n+++ b/missing.py\n@@ -1 +1 @@\n-a\n+b\n", "there is no such text file")]
    [InlineData("just some text", "It holds no hunk")]
    [InlineData("", "It holds no hunk")]
    public async Task Explain_NothingToCompareWith_SaysWhatIsMissing(string patch, string expected) => (await ExplainAsync(patch))!.ShouldContain(expected);

    [Fact]
    public async Task Explain_EveryHunkIsThere_SaysNothing() =>
        (await ExplainAsync("--- a/app.py\n+++ b/app.py\n@@ -1,5 +1,5 @@\n def one():\n     return 1\n\n\n-def two():\n+def deux():\n")).ShouldBeNull();

    [Fact]
    public void PathsOf_ChangesCreationsAndDeletions_NamesEachOnce() =>
        PatchFailure.PathsOf("--- a/x.py\n+++ b/x.py\n--- /dev/null\n+++ b/new.py\n--- a/old.py\n+++ /dev/null\n").ShouldBe(["x.py", "new.py", "old.py"]);

    private static Task<string?> ExplainAsync(string patch) =>
        PatchFailure.ExplainAsync(patch, path => Task.FromResult(path == "app.py" ? File : null));
}
