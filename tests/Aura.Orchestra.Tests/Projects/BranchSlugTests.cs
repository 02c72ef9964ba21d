using Aura.Orchestra.Projects;
using Aura.Orchestra.Tests.Planning;
using FsCheck;
using FsCheck.Fluent;

namespace Aura.Orchestra.Tests.Projects;

public sealed class BranchSlugTests
{
    [Theory]
    [InlineData("Add OAuth login", "add-oauth-login")]
    [InlineData("  Größe & Maße: ändern!  ", "grosse-masse-andern")]
    [InlineData("../../etc/passwd", "etc-passwd")]
    [InlineData("日本語", "work")]
    [InlineData("", "work")]
    [InlineData("\ud800 x", "x")]
    [InlineData("Find notes by words and tags and everything else", "find-notes-by-words-and-tags-and")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void Of_Title_IsReadable(string title, string slug) => BranchSlug.Of(title).ShouldBe(slug);

    [Fact]
    public void Of_AnyText_CanBePartOfABranchName() => Law.Holds(
        ArbMap.Default.ArbFor<string>(),
        title => ProjectRepositories.MergeBranch("prd-aaaa2222", BranchSlug.Of(title ?? "")).Length <= "feat/prd-aaaa2222-".Length + 40);
}
