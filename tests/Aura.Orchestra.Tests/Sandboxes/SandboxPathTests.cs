using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Tests.Sandboxes;

public sealed class SandboxPathTests
{
    [Theory]
    [InlineData("app.py", "app.py")]
    [InlineData("./app//main.py", "app/main.py")]
    [InlineData("a/./b", "a/b")]
    [InlineData("..a/...b", "..a/...b")]
    [InlineData(".github/x.yml", ".github/x.yml")]
    [InlineData(".gitignore", ".gitignore")]
    [InlineData("a b/ü.txt", "a b/ü.txt")]
    [InlineData("-rf", "-rf")]
    [InlineData("\u0e01\u0e34\u0e19\u0e49\u0e33/\u0939\u093f\u0928\u094d\u0926\u0940.md", "\u0e01\u0e34\u0e19\u0e49\u0e33/\u0939\u093f\u0928\u094d\u0926\u0940.md")]
    [InlineData("\u65e5\u672c\u8a9e/\ud55c\uae00/\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "\u65e5\u672c\u8a9e/\ud55c\uae00/\u0395\u03bb\u03bb\u03ac\u03b4\u03b1")]
    public void Parse_Harmless_IsRead(string path, string expected) => SandboxPath.Parse(path).Value.ToString().ShouldBe(expected);

    [Theory]
    [InlineData(null, "outside_sandbox")]
    [InlineData("", "outside_sandbox")]
    [InlineData("   ", "outside_sandbox")]
    [InlineData(".", "outside_sandbox")]
    [InlineData("./", "outside_sandbox")]
    [InlineData("/etc/passwd", "outside_sandbox")]
    [InlineData("//etc/passwd", "outside_sandbox")]
    [InlineData("~/x", "outside_sandbox")]
    [InlineData("C:/x", "outside_sandbox")]
    [InlineData("..", "outside_sandbox")]
    [InlineData("../x", "outside_sandbox")]
    [InlineData("a/../../x", "outside_sandbox")]
    [InlineData("a/b/..", "outside_sandbox")]
    [InlineData("a\\..\\x", "outside_sandbox")]
    [InlineData("a\0b", "outside_sandbox")]
    [InlineData("a\nb", "outside_sandbox")]
    [InlineData("a\u202eb", "outside_sandbox")]
    [InlineData(".g\u200bit/config", "outside_sandbox")]
    [InlineData("a\u0308", "outside_sandbox")]
    [InlineData("\u1f71", "outside_sandbox")]
    [InlineData("\u09c7\u09be", "outside_sandbox")]
    [InlineData("\u304b\u3099", "outside_sandbox")]
    [InlineData(".git", "git_directory")]
    [InlineData(".git/config", "git_directory")]
    [InlineData("a/.GIT/hooks/pre-commit", "git_directory")]
    [InlineData("a/.Git./x", "git_directory")]
    [InlineData(".git /x", "git_directory")]
    [InlineData("GIT~1/x", "git_directory")]
    [InlineData(".git::$INDEX_ALLOCATION/x", "git_directory")]
    public void Parse_Doubtful_IsRefused(string? path, string code) => SandboxPath.Parse(path).Refusal!.Code.ShouldBe(code);

    [Fact]
    public void Parse_HalfOfASurrogatePair_IsRefused() => SandboxPath.Parse("a\ud800").Refusal!.Code.ShouldBe("outside_sandbox");

    [Fact]
    public void Parse_AnyText_NeverLeavesTheRoot()
    {
        string[] pieces = ["a", "..", ".", "/", "\\", ".git", "\0", " ", "~", "ä", "\u202e", "etc", ":", "\ud800", "-", "*"];
        var random = new Random(20260101);
        for (var i = 0; i < 20_000; i++)
        {
            var path = string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => pieces[random.Next(pieces.Length)]));
            var parsed = SandboxPath.Parse(path);
            if (parsed.IsRefused)
                continue;
            var full = Path.GetFullPath(Path.Combine("/root-of-it", parsed.Value.ToString()));
            full.ShouldStartWith("/root-of-it/");
            parsed.Value.Components.ShouldAllBe(c => c != ".." && c != "." && c.Length > 0 && !c.Equals(".git", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Theory]
    [InlineData("**", "a/b/c.py", true)]
    [InlineData("app/**", "app/a/b.py", true)]
    [InlineData("app/**", "application/a.py", false)]
    [InlineData("app", "app/a.py", true)]
    [InlineData("app/", "app/a.py", true)]
    [InlineData("app", "app2", false)]
    [InlineData("*.py", "a.py", true)]
    [InlineData("*.py", "a/b.py", false)]
    [InlineData("**/*.py", "b.py", true)]
    [InlineData("**/*.py", "a/b/c.py", true)]
    [InlineData("tests/test_{a,b}.py", "tests/test_b.py", true)]
    [InlineData("tests/test_{a,b}.py", "tests/test_c.py", false)]
    [InlineData("a?.py", "ab.py", true)]
    [InlineData("a?b", "a/b", false)]
    [InlineData("[ab].py", "b.py", true)]
    [InlineData("[!ab].py", "b.py", false)]
    [InlineData("a.b", "axb", false)]
    [InlineData("./app/x.py", "app/x.py", true)]
    public void Matches_Pattern_CoversThePath(string pattern, string path, bool expected) => new Glob(pattern).Matches(path).ShouldBe(expected);
}
