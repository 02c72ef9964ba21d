using System.Text.Json;
using Aura.Orchestra.Storage;

namespace Aura.Orchestra.Tests.Storage;

public sealed class StorableTextTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a\0b", "a\uFFFDb")]
    [InlineData("😀", "😀")]
    public void Clean_TextThatPostgresRefuses_IsReplaced(string text, string expected) => StorableText.Clean(text).ShouldBe(expected);

    // Not as inline data: an attribute's text is UTF-8 and cannot hold half a pair.
    [Fact]
    public void Clean_HalfASurrogatePair_IsReplaced() => StorableText.Clean('\uD800' + "x").ShouldBe("\uFFFDx");

    [Theory]
    [InlineData("a\0b", "a\uFFFDb")]
    [InlineData(@"\u0000", @"\u0000")]
    [InlineData("\\\0\\\\u0000\"", "\\\uFFFD\\\\u0000\"")]
    public void Json_ValueWithNul_OnlyNulIsReplaced(string value, string expected) =>
        JsonDocument.Parse(StorableText.Json(new { Value = value })).RootElement.GetProperty("value").GetString().ShouldBe(expected);
}
