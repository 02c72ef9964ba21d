using System.Text.Json.Nodes;
using Aura.Host.Tests.Elsa;
using static Aura.Host.Tests.Elsa.DefinitionsHost;

namespace Aura.Host.Tests.Api;

/// <summary>Files come from outside: what cannot be kept is refused in words.</summary>
public sealed class WorkflowFilesApiTests(DefinitionsHost host) : IClassFixture<DefinitionsHost>
{
    [Theory]
    [InlineData("/workflow-files/import", "\\u0000", 400, "name")]
    [InlineData("/workflow-files/import", "\\ud800", 400, "name")]
    [InlineData("/workflow-files/validate", "\\u0000", 400, "name")]
    [InlineData("/workflow-files/validate", "\\ud800", 400, "name")]
    public async Task Body_WithWhatNoTextMayHold_IsRefusedByName(string path, string escape, int status, string field)
    {
        var answer = await host.SendToRootAsync("POST", path, Document("escaped", name: escape));

        (answer.Status, answer.Type).ShouldBe((status, "application/problem+json"));
        answer.Json.GetProperty("errors").GetProperty(field)[0].GetString()!.ShouldContain("NUL or half of a surrogate pair");
    }

    [Fact]
    public async Task Body_LargerThanADefinitionMayBe_Is413() =>
        (await host.SendToRootAsync("POST", "/workflow-files/import", new string(' ', (8 << 20) + 1))).Status.ShouldBe(413);

    [Theory]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("""{"definitionId":"x"}""")]
    [InlineData("""{"definitionId":"x","definitionId":"y","root":{}}""")]
    public async Task Body_ThatIsNoDefinition_Is400(string body)
    {
        var answer = await host.SendToRootAsync("POST", "/workflow-files/validate", body);
        answer.Status.ShouldBe(400);
        answer.Json.GetProperty("errors").GetProperty("$")[0].GetString().ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task List_WithNulInAHash_IsRefusedByName()
    {
        var answer = await host.SendToRootAsync("GET", "/workflow-files?hash=%00", null);
        answer.Status.ShouldBe(400);
        answer.Json.GetProperty("errors").GetProperty("hash")[0].GetString()!.ShouldContain("NUL");
    }

    [Fact]
    public async Task List_OfAWholeFolder_TakesAllItsHashes()
    {
        var id = await host.PublishedAsync(Line("a", "x"));
        var stored = (await host.SendToRootAsync("GET", $"/workflow-files/{id}", null)).Json.GetProperty("content_hash").GetString()!;
        var hashes = new JsonArray([.. Enumerable.Range(0, 500).Select(n => (JsonNode)$"{n:x64}"), stored]);

        var answer = await host.SendToRootAsync("POST", "/workflow-files/list", new JsonObject { ["hashes"] = hashes }.ToJsonString());

        answer.Status.ShouldBe(200, answer.Text);
        answer.Json.GetProperty("items").EnumerateArray().Single(i => i.GetProperty("definition_id").GetString() == id)
            .GetProperty("known").GetProperty(stored).GetInt32().ShouldBe(1);
        (await host.SendToRootAsync("POST", "/workflow-files/list", """{"hashes":[1]}""")).Status.ShouldBe(400);
    }
}
