using System.IO.Compression;
using System.Net;
using System.Text.Json;
using Aura.Host.Security;
using Aura.Host.Tests.Api;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Aura.Host.Tests.Elsa;

/// <summary>What Studio is told that it can design with.</summary>
public sealed class DescriptorsApiTests(DesignerHost host) : IClassFixture<DesignerHost>
{
    private const string Line = """{"type":"Elsa.WriteLine","id":"line1","name":"Say"}""";

    [Fact]
    public async Task Activities_All_HaveTheMembersThatStudioReads()
    {
        var answer = await host.GetAsync("descriptors/activities?Refresh=True");

        var items = answer.GetProperty("items").EnumerateArray().ToList();
        answer.GetProperty("count").GetInt32().ShouldBe(items.Count);
        items.Select(i => (i.GetProperty("typeName").GetString(), i.GetProperty("version").GetInt32())).ShouldBeUnique();
        new[] { "Elsa.Flowchart", "Elsa.NotFoundActivity", "Aura.DecomposePrd" }.ShouldBeSubsetOf(items.Select(i => i.GetProperty("typeName").GetString()));
        foreach (var item in items)
        {
            foreach (var list in new[] { "inputs", "outputs", "ports" })
                item.GetProperty(list).ValueKind.ShouldBe(JsonValueKind.Array);
            foreach (var flag in new[] { "isBrowsable", "isContainer", "isStart", "isTerminal" })
                (item.GetProperty(flag).ValueKind is JsonValueKind.True or JsonValueKind.False).ShouldBeTrue();
            item.GetProperty("kind").GetString().ShouldBeOneOf("Action", "Trigger", "Job", "Task");
            item.GetProperty("customProperties").ValueKind.ShouldBe(JsonValueKind.Object);
            item.GetProperty("constructionProperties").ValueKind.ShouldBe(JsonValueKind.Object);
        }

        var script = items.Single(i => i.GetProperty("typeName").GetString() == "Elsa.RunJavaScript");
        script.GetProperty("inputs").EnumerateArray().Select(i => i.GetProperty("uiSpecifications").GetRawText()).ShouldBe([
            """{"code-editor":{"editorHeight":1,"language":"javascript","singleLineMode":false}}""",
            """{"DynamicOutcomesOptions":{"fixedOutcomes":["Done"]}}"""]);
        var status = items.Single(i => i.GetProperty("typeName").GetString() == "Elsa.WriteHttpResponse").GetProperty("inputs")[0];
        status.GetProperty("defaultValue").GetString().ShouldBe("OK");
        status.GetProperty("uiSpecifications").GetRawText().ShouldContain("""{"text":"404 Not Found","value":"NotFound"}""");
    }

    [Fact]
    public async Task Activities_Unchanged_IsNotSentAgain()
    {
        var first = await host.Client.GetAsync("descriptors/activities", DesignerHost.Cancel);
        using var again = new HttpRequestMessage(HttpMethod.Get, "descriptors/activities?Refresh=True");
        again.Headers.IfNoneMatch.Add(first.Headers.ETag!);

        var second = await host.Client.SendAsync(again, DesignerHost.Cancel);

        second.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await second.Content.ReadAsByteArrayAsync(DesignerHost.Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Activities_Brotli_UnpacksToTheSame()
    {
        var plain = await host.Client.GetByteArrayAsync("descriptors/activities", DesignerHost.Cancel);
        using var request = new HttpRequestMessage(HttpMethod.Get, "descriptors/activities");
        request.Headers.AcceptEncoding.ParseAdd("gzip, deflate, br");

        var packed = await host.Client.SendAsync(request, DesignerHost.Cancel);

        packed.Content.Headers.ContentEncoding.ShouldBe(["br"]);
        using var unpacked = new MemoryStream();
        await using (var brotli = new BrotliStream(await packed.Content.ReadAsStreamAsync(DesignerHost.Cancel), CompressionMode.Decompress))
            await brotli.CopyToAsync(unpacked, DesignerHost.Cancel);
        unpacked.ToArray().ShouldBe(plain);
    }

    [Fact]
    public async Task Activities_PublishedWorkflow_AppearsAndDisappears()
    {
        var before = await host.Client.GetAsync("descriptors/activities", DesignerHost.Cancel);
        await host.SaveAsync("greet-people", Line, """ "options":{"usableAsActivity":true},"description":"Greets.","inputs":[{"name":"Who","type":"String"}],""");
        await host.Definitions.PublishAsync("greet-people", cancellationToken: DesignerHost.Cancel);

        var published = await host.Client.GetAsync("descriptors/activities?Refresh=True", DesignerHost.Cancel);

        published.Headers.ETag.ShouldNotBe(before.Headers.ETag);
        var greet = (await ApiHost.JsonAsync(published)).GetProperty("items").EnumerateArray().Single(i => i.GetProperty("typeName").GetString() == "GreetPeople");
        greet.GetProperty("isBrowsable").GetBoolean().ShouldBeTrue();
        greet.GetProperty("customProperties").GetProperty("RootType").GetString().ShouldBe("WorkflowDefinitionActivity");
        greet.GetProperty("inputs")[0].GetProperty("name").GetString().ShouldBe("Who");

        await host.Definitions.RetractAsync("greet-people", cancellationToken: DesignerHost.Cancel);
        var retracted = await host.GetAsync("descriptors/activities?Refresh=True");
        // Kept for definitions that hold it, but not offered any more.
        retracted.GetProperty("items").EnumerateArray().Single(i => i.GetProperty("typeName").GetString() == "GreetPeople")
            .GetProperty("isBrowsable").GetBoolean().ShouldBeFalse();
    }

    [Theory]
    [InlineData("expression-descriptors", "type", "JavaScript")]
    [InlineData("variables", "typeName", "String")]
    [InlineData("storage-drivers", "typeName", "WorkflowInstanceStorageDriver")]
    [InlineData("workflow-activation-strategies", "typeName", "SingletonStrategy")]
    [InlineData("incident-strategies", "typeName", "FaultStrategy")]
    [InlineData("commit-strategies/workflows", "name", "ActivityExecuted")]
    [InlineData("commit-strategies/activities", "name", "CommitAlways")]
    [InlineData("log-persistence-strategies", "typeName", null)]
    [InlineData("output-converters?sourceType=Int32&destinationType=Int32", "id", null)]
    public async Task Lists_All_AreEnvelopesWithoutDoubles(string path, string key, string? one)
    {
        var answer = await host.GetAsync($"descriptors/{path}");

        var keys = answer.GetProperty("items").EnumerateArray().Select(i => i.GetProperty(key).GetString()).ToList();
        keys.ShouldBeUnique();
        keys.Contains(one).ShouldBe(one is not null);
        answer.GetProperty("count").GetInt32().ShouldBe(keys.Count);
    }

    [Fact]
    public async Task Expressions_Scripts_NameTheirEditor()
    {
        var answer = await host.GetAsync("descriptors/expression-descriptors");

        var script = answer.GetProperty("items").EnumerateArray().Single(i => i.GetProperty("type").GetString() == "JavaScript");
        script.GetProperty("properties").GetProperty("MonacoLanguage").GetString().ShouldBe("javascript");
        script.GetProperty("isBrowsable").GetBoolean().ShouldBeTrue();
    }

    [Fact]
    public async Task Options_OfTheServer_AreWhatThereIsNow()
    {
        await host.Services.GetRequiredService<NpgsqlDataSource>().CommitAsync(ModelChanges.Ensure("llama-9", "local", null, "ollama"), DesignerHost.Cancel);

        var models = await OptionsAsync("Aura.EmployeeWork", "Model");
        var queues = await OptionsAsync("Aura.EmployeeWork", "Queue");
        var zones = await OptionsAsync("Elsa.Cron", "timeZone");
        var modes = await OptionsAsync("Elsa.FlowJoin", "Mode");

        models.ShouldContain("llama-9");
        queues.ShouldBe(["default", "employee:scripted", "employee:ollama", "employee:openai", "employee:gemini", "employee:cli"]);
        zones[0].ShouldBe("UTC");
        modes.ShouldBe(["WaitAny", "WaitAll", "WaitAllActive"]);
        await host.PostAsync("descriptors/activities/Elsa.Cron/options/Nothing", new { context = new { } }, 404);
        await host.PostAsync("descriptors/activities/Elsa.Nothing/options/Nothing", new { context = new { } }, 404);
    }

    [Fact]
    public async Task Features_Installed_AnnounceWhatThisHostHas()
    {
        var answer = await host.GetAsync("features/installed");

        answer.GetProperty("items").EnumerateArray().Select(f => f.GetProperty("fullName").GetString()).ShouldBe(["Elsa.RealTimeWorkflowUpdates"]);
        (await host.GetAsync("features/installed/Elsa.RealTimeWorkflowUpdates")).GetProperty("namespace").GetString().ShouldBe("Elsa");
        (await host.Client.GetAsync("features/installed/Elsa.Alterations.ShellFeatures.Alterations", DesignerHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await host.GetAsync("resilience/strategies?category=HTTP")).GetProperty("items").GetArrayLength().ShouldBe(0);
        Version.TryParse((await host.GetAsync("package/version")).GetProperty("packageVersion").GetString(), out _).ShouldBeTrue();
    }

    [Fact]
    public async Task TypeDefinitions_Workflow_NameWhatItsScriptsSee()
    {
        await host.SaveAsync(
            "typed", """{"type":"Elsa.Sequence","id":"s","activities":[{"type":"Elsa.RunJavaScript","id":"a1","name":"CheckStock1"}]}""",
            """ "variables":[{"id":"v1","name":"Stock","typeName":"Int32"},{"id":"v2","name":"Lines of it","typeName":"String","isArray":true}],"inputs":[{"name":"Region","type":"String"}],""");

        var response = await host.Client.PostAsync(
            "scripting/javascript/type-definitions/typed",
            new StringContent("""{"activityTypeName":"Elsa.WriteLine","propertyName":"Text"}""", null, "application/json"), DesignerHost.Cancel);

        var lines = (await response.Content.ReadAsStringAsync(DesignerHost.Cancel)).Split('\n', StringSplitOptions.TrimEntries);
        new[]
        {
            "declare function getCorrelationId(): string | null;", "Stock: number;", "\"Lines of it\": string[];", "declare function getStock(): number;",
            "declare function setStock(value: number): void;", "declare function getVariable(name: \"Lines of it\"): string[];",
            "declare function getRegion(): string;", "declare function getInput(name: \"Region\"): string;",
            "declare function getResultFromCheckStock1(): any;", "declare function getOutputFrom(activity: \"CheckStock1\", output: \"Result\"): any;",
        }.ShouldBeSubsetOf(lines);
        lines.ShouldNotContain(l => l.Contains("setOutcome", StringComparison.Ordinal));
        lines.Where(l => l.StartsWith("declare function", StringComparison.Ordinal)).ShouldBeUnique();
    }

    [Fact]
    public async Task TestActivity_Stored_RunsAndAnswersAsStudioReads()
    {
        var draft = await host.SaveAsync("tried", """
            {"type":"Elsa.Sequence","id":"s","activities":[
            {"type":"Elsa.FlowDecision","id":"d","condition":{"typeName":"Boolean","expression":{"type":"JavaScript","value":"1 < 2"} } },
            {"type":"Elsa.Fault","id":"f","message":"Out of stock"}]}
            """);

        var decided = await host.PostAsync("tests/activities", Handles(draft.Id, "Workflow1:s:d"));
        var faulted = await host.PostAsync("tests/activities", Handles(draft.Id, "Workflow1:s:f"));

        decided.GetRawText().ShouldBe(
            """{"activityState":{"Condition":true},"payload":{"Outcomes":["True"]},"outputs":{},"exception":null,"status":"Completed"}""");
        faulted.GetProperty("status").GetString().ShouldBe("Faulted");
        faulted.GetProperty("exception").GetProperty("message").GetString().ShouldBe("Out of stock");
        faulted.GetProperty("exception").EnumerateObject().Select(m => m.Name).ShouldBe(["type", "message", "stackTrace", "innerException"]);
        await host.PostAsync("tests/activities", Handles("no-such-version", "x"), 404);
        await host.PostAsync("tests/activities", new { }, 400);
    }

    [Fact]
    public async Task Everything_Anonymous_IsRefused()
    {
        using var anonymous = host.Anonymous();

        (await anonymous.GetAsync("descriptors/activities", DesignerHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        var test = host.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Single(e => e.RoutePattern.RawText!.EndsWith("/tests/activities", StringComparison.Ordinal));
        new[] { Permissions.EditWorkflows, Permissions.RunWorkflows }.ShouldBeSubsetOf(test.Metadata.OfType<IAuthorizeData>().Select(a => a.Policy));
    }

    private static object Handles(string versionId, string nodeId) => new
    {
        workflowDefinitionHandle = new { definitionId = (string?)null, versionOptions = (object?)null, definitionVersionId = versionId },
        activityHandle = new { activityId = (string?)null, activityNodeId = nodeId, activityInstanceId = (string?)null, activityHash = (string?)null },
    };

    private async Task<List<string>> OptionsAsync(string typeName, string input)
    {
        var answer = await host.PostAsync($"descriptors/activities/{typeName}/options/{input}", new { context = new { model = "x" } });
        return [.. answer.GetProperty("items").GetProperty("dropdown").GetProperty("selectList").GetProperty("items").EnumerateArray()
            .Select(i => i.GetProperty("value").GetString()!)];
    }
}
