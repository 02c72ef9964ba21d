using System.Text.Json;
using Aura.Testing;
using Aura.Workflows.Definitions;
using Aura.Workflows.Runtime;
using static Aura.Workflows.Tests.Definitions.VersioningTests;

namespace Aura.Workflows.Tests.Definitions;

/// <summary>Definitions as files: their stable form, importing them, and how the database stands to them.</summary>
public sealed class DefinitionFileTests(TestDatabase database) : IClassFixture<TestDatabase>, IAsyncLifetime
{
    private EngineHost _engine = null!;

    private DefinitionStore Store => _engine.Definitions;

    public async ValueTask InitializeAsync() => _engine = await EngineHost.StartAsync(database.ConnectionString);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    [Theory]
    [InlineData("Int32", "3", "\"3\"")]
    [InlineData("Boolean", "true", "\"true\"")]
    [InlineData("Double", "1.50", "\"1.50\"")]
    [InlineData("Object", """{"a":[1]}""", """ "{\"a\":[1]}" """)]
    [InlineData("Object", "3", "3")]
    [InlineData("String", "\"x\"", "\"x\"")]
    [InlineData("Int32", "null", "null")]
    public void Write_ValueOfAVariable_IsTextThatReadsAsTheSameValue(string type, string value, string written)
    {
        var definition = Parse(
            $$"""{"definitionId":"d","variables":[{"id":"v","name":"V","typeName":"{{type}}","value":{{value}} }],"root":{"id":"r","type":"Elsa.Sequence"} }""");
        var file = Parse(DefinitionFile.Write(definition));

        file.Json.GetProperty("variables")[0].GetProperty("value").GetRawText().ShouldBe(written.Trim());
        ValueOf(file).ShouldBe(ValueOf(definition));

        static string ValueOf(WorkflowDefinition definition) =>
            JsonSerializer.Serialize(VariableReader.Read(definition.Json.GetProperty("variables")[0], []).Value);
    }

    [Fact]
    public void Write_WhatTheServerSets_IsLeftOutAndTheRestKeepsItsOrder()
    {
        var first = DefinitionFile.Write(Parse("""
            {"links":[1],"createdAt":"2026-01-01","isLatest":false,"version":7,"zeta":[],"root":{"id":"r","type":"Elsa.Sequence","b":1.50,"a":"é \"x\" <y>"},"definitionId":"d","name":"N","id":"v7"}
            """));

        first.ReplaceLineEndings("\n").ShouldBe("""
            {
              "$schema": "https://elsaworkflows.io/schemas/workflow-definition/v3.0.0/schema.json",
              "id": "d-v1",
              "definitionId": "d",
              "name": "N",
              "version": 1,
              "isLatest": true,
              "isPublished": true,
              "zeta": [],
              "root": {
                "id": "r",
                "type": "Elsa.Sequence",
                "b": 1.50,
                "a": "é \"x\" <y>"
              }
            }

            """.ReplaceLineEndings("\n"));
        DefinitionFile.Write(Parse(first)).ShouldBe(first);
        DefinitionFile.NameOf("../a b").ShouldBe("-a-b.json");
    }

    [Fact]
    public async Task ImportFile_FirstAgainAndChanged_IsDraftUnchangedAndPublished()
    {
        var id = NewId();
        var (one, two) = (File(id, "one"), File(id, "two"));

        (await Store.ImportFileAsync(one.Json, publish: false)).ShouldSatisfyAllConditions(i => i.Outcome.ShouldBe(FileOutcome.Draft), i => i.Version.ShouldBe(1));
        (await Store.ImportFileAsync(one.Json, publish: false)).Outcome.ShouldBe(FileOutcome.Unchanged);
        (await Store.ImportFileAsync(one.Json, publish: true)).ShouldSatisfyAllConditions(i => i.Outcome.ShouldBe(FileOutcome.Published), i => i.Version.ShouldBe(1));
        (await Store.ImportFileAsync(two.Json, publish: true)).ShouldSatisfyAllConditions(i => i.Outcome.ShouldBe(FileOutcome.Published), i => i.Version.ShouldBe(2));

        var standing = (await Store.ListStandingsAsync([one.ContentHash, "nobody's"])).Single(s => s.DefinitionId == id);
        standing.ShouldSatisfyAllConditions(
            s => s.LatestVersion.ShouldBe(2), s => s.PublishedHash.ShouldBe(two.ContentHash), s => s.IsEdited.ShouldBeFalse(),
            s => s.Known.ShouldBe(new Dictionary<string, int> { [one.ContentHash] = 1 }));
    }

    [Fact]
    public async Task ImportFile_OverAnEdit_IsAConflictUnlessSeenOrForced()
    {
        var id = NewId();
        await Store.ImportFileAsync(File(id, "one").Json, publish: true);
        var edit = await Store.SaveDraftAsync(File(id, "edit").Json);

        (await Store.ImportFileAsync(File(id, "two").Json, publish: false)).ShouldSatisfyAllConditions(
            i => i.Outcome.ShouldBe(FileOutcome.Conflict), i => i.Conflict!.ShouldContain("Version 2 was edited"));
        (await Store.ImportFileAsync(File(id, "one").Json, publish: false)).Conflict!.ShouldContain("what version 1 held");

        // Forced: the edit is kept as the version that it was.
        (await Store.ImportFileAsync(File(id, "two").Json, publish: false, force: true)).Version.ShouldBe(3);
        (await Store.FindVersionAsync(edit.Id))!.ContentHash.ShouldBe(edit.ContentHash);

        // Seen: the person knows the edit.
        var again = await Store.SaveDraftAsync(File(id, "edit again").Json);
        (await Store.ImportFileAsync(File(id, "three").Json, publish: false, seen: again.ContentHash)).ShouldSatisfyAllConditions(
            i => i.Outcome.ShouldBe(FileOutcome.Draft), i => i.Version.ShouldBe(4));
    }

    [Fact]
    public async Task ImportFile_WithErrors_ChangesNothing()
    {
        var id = NewId();
        var wrong = Definition(id, """{"id":"r","type":"Elsa.Sequence","activities":[{"id":"x","type":"Nobody.Knows"}]}""");

        var import = await Store.ImportFileAsync(wrong.Json, publish: true);

        import.Outcome.ShouldBe(FileOutcome.Refused);
        import.Findings.ShouldContain(f => f.IsError && f.ActivityId == "x");
        (await Store.FindAsync(id, VersionOptions.Latest)).ShouldBeNull();
        (await Store.ImportFileAsync(wrong.Json, publish: false)).Outcome.ShouldBe(FileOutcome.Draft);
    }

    [Fact]
    public async Task Folder_Validated_SaysWhatTheStoreSays()
    {
        var (id, child) = (NewId(), NewId());
        var definitions = new[]
        {
            Definition(id, $$"""
                {"id":"r","type":"Elsa.Sequence","activities":[
                  {"id":"a","type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Cobol","value":"x"} } },
                  {"id":"b","type":"Elsa.ExecuteWorkflow","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":"nobody"} } },
                  {"id":"c","type":"{{child}}","workflowDefinitionId":"{{child}}"}]}
                """),
            Definition(child, """{"id":"s","type":"Elsa.Sequence","activities":[{"id":"y","type":"Nobody.Knows"}]}""", usable: true),
        };

        var folder = await new DefinitionFolder(new ActivityRegistry(), _engine.ExpressionTypes, _engine.Services).ValidateAsync(definitions);

        var cobol = folder[0].Single(f => f.IsError);
        cobol.Message.ShouldContain("Cobol");
        folder[0].ShouldContain(f => !f.IsError && f.Message.Contains("'nobody'"));
        folder[1].ShouldHaveSingleItem().Code.ShouldBe(ValidationCodes.UnknownActivity);
        await Store.SaveDraftAsync(definitions[1].Json);
        await Store.PublishAsync(child, failOnValidationErrors: false);
        (await Store.ValidateAsync(definitions[0])).ShouldBe(folder[0]);
    }

    [Fact]
    public void ContentHash_AnotherDocumentInItsPlace_IsAnother()
    {
        var (one, other) = (File("one", "a"), File("one", "b"));

        one.ContentHash.ShouldNotBe(other.ContentHash);
        (one with { Json = other.Json }).ContentHash.ShouldBe(other.ContentHash);
        (one with { Version = 2 }).ContentHash.ShouldBe(one.ContentHash);
    }

    [Fact]
    public async Task Folder_RoutesThatDifferInTheCaseOfAConstraint_AreTwo()
    {
        string[] paths = ["/Orders/{Code:regex(^A$)}", "/orders/{code:regex(^a$)}", "/ORDERS/{code:regex(^A$)}/"];
        var definitions = paths.Select(path => Definition(NewId(), $$"""
            {"id":"h","type":"Elsa.HttpEndpoint","path":"{{path}}","customProperties":{"canStartWorkflow":true} }
            """)).ToList();

        var folder = await new DefinitionFolder(new ActivityRegistry(), _engine.ExpressionTypes, _engine.Services).ValidateAsync(definitions);

        folder[0].ShouldBeEmpty();
        folder[1].ShouldBeEmpty();
        folder[2].ShouldHaveSingleItem().Code.ShouldBe(ValidationCodes.RouteInUse);
    }

    private static WorkflowDefinition File(string id, string text) => Definition(
        id, $$"""{"id":"r","type":"Elsa.Sequence","activities":[{"id":"a","type":"Elsa.WriteLine","text":{"typeName":"String","expression":{"type":"Literal","value":"{{text}}"} } }]}""");

    private static WorkflowDefinition Definition(string id, string root, bool usable = false) =>
        Parse($$"""{"definitionId":"{{id}}","name":"{{id}}","options":{"usableAsActivity":{{(usable ? "true" : "false")}}},"root":{{root}}}""");

    private static WorkflowDefinition Parse(string json) => WorkflowDefinition.Parse(json, "test");
}
