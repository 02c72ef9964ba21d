using System.IO.Compression;
using System.Text.Json;
using Aura.Host.Security;
using static Aura.Host.Tests.Elsa.Act;

namespace Aura.Host.Tests.Elsa;

public sealed class InstancesApiTests(HostFixture fixture) : IClassFixture<HostFixture>
{
    private const string Variables = """ "variables":[{"id":"n","name":"Count","typeName":"Int32","value":5}] """;
    private readonly InstanceHost _host = fixture.Host;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task List_StudiosBody_ShowsWhatItFiltersFor()
    {
        var definition = await _host.PublishAsync(Sequence(Event("list", "e")));
        var waiting = await _host.DispatchAsync(definition, """{"correlationId":"ORD-77","name":"x"}""");
        await _host.ReachesAsync(waiting, "Suspended");
        var breaks = await _host.PublishAsync(Fault("f"));
        var faulted = await _host.DispatchAsync(breaks);
        await _host.ReachesAsync(faulted, "Faulted");
        var mine = $$"""{"definitionIds":["{{definition}}","{{breaks}}"],""";

        var all = await ListAsync($$"""
            {"page":0,"pageSize":10,"searchTerm":"","definitionId":null,"definitionIds":["{{definition}}","{{breaks}}"],"correlationId":null,"version":null,"hasIncidents":null,"isSystem":false,
             "status":null,"statuses":[],"subStatus":null,"subStatuses":[],"orderBy":null,"orderDirection":"Descending","timestampFilters":[]}
            """);
        Ids(all).ShouldBe([faulted, waiting]);
        all.GetProperty("totalCount").GetInt32().ShouldBe(2);
        var item = all.GetProperty("items")[1];
        (item.GetProperty("status").GetString(), item.GetProperty("subStatus").GetString(), item.GetProperty("correlationId").GetString())
            .ShouldBe(("Running", "Suspended", "ORD-77"));
        item.GetProperty("finishedAt").ValueKind.ShouldBe(JsonValueKind.Null);

        foreach (var filter in (string[])[
            """{"correlationId":"ORD-77"}""", """{"searchTerm":"rd-7"}""", """{"status":"Running"}""",
            """{"subStatuses":["Suspended","Pending"]}""", """{"hasIncidents":false}""", $$"""{"searchTerm":"{{waiting[..14]}}","orderBy":"LastExecuted"}""",
            """{"statuses":["Running"],"orderBy":"Name","orderDirection":"Ascending"}""", $$"""{"ids":["{{waiting}}"],"orderBy":"Finished"}""",
            """{"name":"x","version":1}""", """{"pageSize":1,"page":1}"""])
            Ids(await ListAsync(mine + filter[1..])).ShouldBe([waiting], filter);
        Ids(await ListAsync($$"""{"definitionId":"{{definition}}"}""")).ShouldBe([waiting]);
        foreach (var filter in (string[])["""{"hasIncidents":true}""", """{"subStatus":"Faulted"}""", """{"status":"Finished"}"""])
            Ids(await ListAsync(mine + filter[1..])).ShouldBe([faulted], filter);
        foreach (var filter in (string[])["""{"subStatus":"Interrupted"}""", """{"isSystem":true}""", """{"version":7}""", """{"searchTerm":"%"}"""])
            Ids(await ListAsync(mine + filter[1..])).ShouldBeEmpty(filter);
        Ids(await _host.GetAsync($"workflow-instances?definitionIds={definition}&definitionIds=other&status=Running&isSystem=False")).ShouldBe([waiting]);
    }

    [Theory]
    [InlineData("workflow-instances?searchTerm=%00", "searchTerm")]
    [InlineData("workflow-instances?ids=a&ids=b%00", "ids")]
    [InlineData("activity-executions/by-id?id=a-%00", "id")]
    [InlineData("activity-executions/list?workflowInstanceId=%00", "workflowInstanceId")]
    [InlineData("workflow-definitions?name=%00", "name")]
    public async Task Query_WithNul_IsRefusedByName(string path, string name) =>
        (await _host.GetAsync(path, 400)).GetProperty("errors").GetProperty("generalErrors")[0].GetString().ShouldBe($"{name}: holds NUL, which no text may.");

    [Fact]
    public async Task Selection_ThatTakesTooLong_IsRefusedWhereverOneIsMade()
    {
        await using var connection = await _host.Db.OpenConnectionAsync(Cancel);
        await using var transaction = await connection.BeginTransactionAsync(Cancel);
        // Whoever looks through the instances waits now, and is ended as the time for a list being over would end it.
        await using (var command = new Npgsql.NpgsqlCommand("LOCK TABLE wf.instances IN ACCESS EXCLUSIVE MODE", connection, transaction))
            await command.ExecuteNonQueryAsync(Cancel);
        var alteration = """[{"type":"Cancel"}]""";
        var requests = Task.WhenAll(
            _host.PostAsync("workflow-instances", "{}", 400),
            _host.PostAsync("alterations/dry-run", """{"filter":{"searchTerm":"x"} }""", 400),
            _host.PostAsync("alterations/submit", $$"""{"filter":{"searchTerm":"x"},"alterations":{{alteration}} }""", 400),
            _host.PostAsync("bulk-actions/cancel/workflow-instances", """{"definitionId":"x"}""", 400));
        while (!requests.IsCompleted)
        {
            await _host.ScalarAsync<long>("""
                SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FROM wf.instances%' AND query NOT LIKE '%UPDATE%'
                """);
            await Task.WhenAny(requests, Task.Delay(20, Cancel));
        }

        var answers = await requests;
        await transaction.RollbackAsync(Cancel);
        answers.ShouldAllBe(a => a.GetProperty("detail").GetString()!.StartsWith("The list would have to look through too many instances."));
    }

    [Fact]
    public async Task List_Timestamps_CompareEachColumn()
    {
        var definition = await _host.PublishAsync(Line("a", "a"));
        var id = await _host.DispatchAsync(definition);
        await _host.ReachesAsync(id, "Finished");
        var finished = (await _host.GetAsync($"workflow-instances/{id}")).GetProperty("finishedAt").GetDateTimeOffset();

        (await CountAsync("FinishedAt", "GreaterThanOrEqual", finished.AddTicks(-10))).ShouldBe(1);
        (await CountAsync("FinishedAt", "GreaterThan", finished.AddSeconds(1))).ShouldBe(0);
        (await CountAsync("UpdatedAt", "LessThan", finished.AddSeconds(1))).ShouldBe(1);
        (await CountAsync("CreatedAt", "LessThanOrEqual", finished.AddHours(-1))).ShouldBe(0);
        (await CountAsync("CreatedAt", "IsNot", finished.AddHours(-1))).ShouldBe(1);

        async Task<int> CountAsync(string column, string comparison, DateTimeOffset time) => (await ListAsync(
            $$"""{"definitionId":"{{definition}}","timestampFilters":[{"column":"{{column}}","operator":"{{comparison}}","timestamp":"{{time:O}}"}]}"""))
            .GetProperty("totalCount").GetInt32();
    }

    [Theory]
    [InlineData("""{"status":"Sleeping"}""", "status: 'Sleeping' is not known. Known: Running, Finished.")]
    [InlineData("""{"orderBy":"Weight"}""", "orderBy")]
    [InlineData("""{"page":-1}""", "page: must be a whole number from 0")]
    [InlineData("""{"hasIncidents":"perhaps"}""", "hasIncidents: must be true or false.")]
    [InlineData("""{"definitionIds":[1]}""", "definitionIds: must be a list of strings.")]
    [InlineData("""{"timestampFilters":[{"column":"state","operator":"Is","timestamp":"2026-01-01T00:00:00Z"}]}""", "timestampFilters[0].column: 'state' is not known.")]
    [InlineData("""{"timestampFilters":[{"column":"CreatedAt","operator":"Is"}]}""", "timestampFilters[0].timestamp: is missing.")]
    [InlineData("""{"timestampFilters":[{"column":"CreatedAt","operator":"Is","timestamp":"noon"}]}""", "timestampFilters[0].timestamp: 'noon' is no time")]
    public async Task List_BadFilter_Is400AndNamesTheMember(string body, string message)
    {
        var problem = await _host.PostAsync("workflow-instances", body, 400);
        problem.GetProperty("errors").GetProperty("generalErrors")[0].GetString()!.ShouldStartWith(message);
    }

    [Fact]
    public async Task Get_Faulted_HasItsIncidentAndEveryCollection()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Fault("f")), Variables), """{"input":{"Region":"EU"}}""");
        await _host.ReachesAsync(id, "Faulted");

        var instance = await _host.GetAsync($"workflow-instances/{id}");
        instance.GetProperty("incidentCount").GetInt32().ShouldBe(1);
        var state = instance.GetProperty("workflowState");
        foreach (var name in (string[])["bookmarks", "completionCallbacks", "activityExecutionContexts", "scheduledActivities"])
            state.GetProperty(name).ValueKind.ShouldBe(JsonValueKind.Array, name);
        state.GetProperty("input").GetProperty("Region").GetString().ShouldBe("EU");
        foreach (var name in (string[])["output", "properties"])
            state.GetProperty(name).ValueKind.ShouldBe(JsonValueKind.Object, name);
        var incident = state.GetProperty("incidents")[0];
        (incident.GetProperty("activityId").GetString(), incident.GetProperty("activityNodeId").GetString(), incident.GetProperty("message").GetString())
            .ShouldBe(("f", "Workflow1:seq:f", "broken"));
        var run = await _host.GetAsync($"activity-executions/by-id?id={incident.GetProperty("activityInstanceId")}");
        (run.GetProperty("status").GetString(), run.GetProperty("exception").GetProperty("message").GetString()).ShouldBe(("Faulted", "broken"));
    }

    [Fact]
    public async Task Journal_PagesAndFilters_AsStudioAsks()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Line("a", "a"), Line("b", "b"))));
        await _host.ReachesAsync(id, "Finished");
        const string Studio = """{"filter":{"activityIds":null,"activityNodeIds":null,"excludedActivityTypes":["Elsa.Workflow","Elsa.Sequence"],"eventNames":null}}""";

        var all = await _host.PostAsync($"workflow-instances/{id}/journal?skip=0&take=112", Studio);
        Events(all).ShouldBe(["a:Started", "a:Completed", "b:Started", "b:Completed"]);
        var row = all.GetProperty("items")[3];
        row.GetProperty("payload").GetProperty("Outcomes")[0].GetString().ShouldBe("Done");
        row.GetProperty("nodeId").GetString().ShouldBe("Workflow1:seq:b");
        var second = await _host.PostAsync($"workflow-instances/{id}/journal?skip=1&take=2", Studio);
        Events(second).ShouldBe(["a:Completed", "b:Started"]);
        second.GetProperty("totalCount").GetInt32().ShouldBe(4);
        (await _host.PostAsync($"workflow-instances/{id}/journal?skip=99&take=2", Studio)).GetProperty("totalCount").GetInt32().ShouldBe(4);
        Events(await _host.PostAsync($"workflow-instances/{id}/journal", """{"filter":{"activityIds":["b"],"eventNames":["Started"]}}""")).ShouldBe(["b:Started"]);
        Events(await _host.GetAsync($"workflow-instances/{id}/journal?page=1&pageSize=3")).Count.ShouldBe(3);
        (await _host.GetAsync($"workflow-instances/{id}/journal/a")).GetProperty("eventName").GetString().ShouldBe("Completed");
        await _host.GetAsync($"workflow-instances/{id}/journal/nobody", 404);
    }

    [Fact]
    public async Task Variables_OfARunningInstance_AreReadAndSet()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Event("var", "e")), Variables));
        await _host.ReachesAsync(id, "Suspended");
        (await _host.GetAsync($"workflow-instances/{id}/variables")).GetProperty("items")[0].GetProperty("value").GetInt32().ShouldBe(5);

        var set = await _host.PostAsync($"workflow-instances/{id}/variables", """{"variables":[{"id":"n","value":8}]}""");

        (set.GetProperty("count").GetInt32(), set.GetProperty("items")[0].GetProperty("name").GetString(), set.GetProperty("items")[0].GetProperty("value").GetInt32())
            .ShouldBe((1, "Count", 8));
        var altered = (await _host.PostAsync($"workflow-instances/{id}/journal", """{"filter":{"eventNames":["Altered"]}}""")).GetProperty("items")[0];
        altered.GetProperty("payload").GetProperty("by").GetString().ShouldBe("someone");
        (await _host.ScalarAsync<string>("SELECT actor FROM aura.audit_logs WHERE action = 'workflow.set-variables'")).ShouldBe("someone");
        (await _host.PostAsync($"workflow-instances/{id}/variables", """{"variables":[{"id":"nobody","value":8}]}""", 400)).GetProperty("detail").GetString()!.ShouldContain("no variable 'nobody'");
        (await _host.PostAsync($"workflow-instances/{id}/variables", "{}", 400)).ToString().ShouldContain("variables: is missing");
        await _host.PostAsync($"events/var/trigger", $$"""{"workflowInstanceId":"{{id}}"}""");
        await _host.ReachesAsync(id, "Finished");
        await _host.PostAsync($"workflow-instances/{id}/variables", """{"variables":[{"id":"n","value":9}]}""", 409);
    }

    [Fact]
    public async Task Cancel_Running_EndsItAndSaysWho()
    {
        var id = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Event("c", "e"))));
        await _host.ReachesAsync(id, "Suspended");

        await _host.PostAsync($"cancel/workflow-instances/{id}");

        (await _host.GetAsync($"workflow-instances/{id}/execution-state")).GetProperty("subStatus").GetString().ShouldBe("Cancelled");
        (await _host.PostAsync($"workflow-instances/{id}/journal", """{"filter":{"eventNames":["Workflow cancelled"]}}""")).GetProperty("items")[0]
            .GetProperty("message").GetString().ShouldBe("Cancelled by someone.");
        (await _host.BadgesAsync(id))["e"].ShouldBe("1/0/0");
        await _host.PostAsync($"cancel/workflow-instances/{id}");
        await _host.PostAsync("cancel/workflow-instances/nobody", status: 404);
    }

    [Fact]
    public async Task Delete_RunningAndEnded_LeavesNothing()
    {
        var definition = await _host.PublishAsync(Sequence(Event("d", "e")));
        var one = await _host.DispatchAsync(definition);
        var two = await _host.DispatchAsync(definition);
        await _host.ReachesAsync(one, "Suspended");

        using var response = await _host.Client.DeleteAsync($"workflow-instances/{one}", Cancel);
        ((int)response.StatusCode).ShouldBe(204);
        await _host.GetAsync($"workflow-instances/{one}", 404);
        (await _host.PostAsync("bulk-actions/delete/workflow-instances/by-id", $$"""{"ids":["{{two}}","nobody"]}""")).GetProperty("deleted").GetInt32().ShouldBe(1);
        (await _host.ScalarAsync<long>(
            $"SELECT (SELECT count(*) FROM wf.bookmarks WHERE instance_id IN ('{one}', '{two}')) + (SELECT count(*) FROM wf.history WHERE instance_id IN ('{one}', '{two}'))"))
            .ShouldBe(0);
        using var again = await _host.Client.DeleteAsync($"workflow-instances/{one}", Cancel);
        ((int)again.StatusCode).ShouldBe(404);
    }

    [Fact]
    public async Task BulkCancel_OfADefinition_EndsItsRunningOnes()
    {
        var definition = await _host.PublishAsync(Sequence(Event("b", "e")));
        string[] ids = [await _host.DispatchAsync(definition), await _host.DispatchAsync(definition)];
        var other = await _host.DispatchAsync(await _host.PublishAsync(Sequence(Event("b", "e"))));

        (await _host.PostAsync("bulk-actions/cancel/workflow-instances", $$"""{"definitionId":"{{definition}}","versionOptions":"AllVersions"}"""))
            .GetProperty("cancelledCount").GetInt32().ShouldBe(2);

        foreach (var id in ids)
            (await _host.GetAsync($"workflow-instances/{id}")).GetProperty("subStatus").GetString().ShouldBe("Cancelled");
        (await _host.GetAsync($"workflow-instances/{other}")).GetProperty("status").GetString().ShouldBe("Running");
        await _host.PostAsync("bulk-actions/cancel/workflow-instances", "{}", 400);
    }

    [Fact]
    public async Task Export_OneAndSeveral_HoldStateAndHistory()
    {
        var definition = await _host.PublishAsync(Line("a", "a"));
        string[] ids = [await _host.DispatchAsync(definition), await _host.DispatchAsync(definition)];
        foreach (var id in ids)
            await _host.ReachesAsync(id, "Finished");

        var one = await _host.GetAsync($"workflow-instances/{ids[0]}/export");
        one.GetProperty("workflowState").GetProperty("id").GetString().ShouldBe(ids[0]);
        one.GetProperty("workflowExecutionLogRecords").GetArrayLength().ShouldBe(4);
        one.GetProperty("activityExecutionRecords").GetArrayLength().ShouldBe(2);
        using var content = new StringContent(JsonSerializer.Serialize(new { ids }), System.Text.Encoding.UTF8, "application/json");
        using var response = await _host.Client.PostAsync("bulk-actions/export/workflow-instances", content, Cancel);
        await using var zip = await ZipArchive.CreateAsync(await response.Content.ReadAsStreamAsync(Cancel), ZipArchiveMode.Read, false, null, Cancel);
        zip.Entries.Count.ShouldBe(2);
        using var form = new MultipartFormDataContent { { new StringContent("{}"), "files", "a.json" } };
        using var import = await _host.Client.PostAsync("bulk-actions/import/workflow-instances", form, Cancel);
        (await InstanceHost.ReadAsync(import, 501)).GetProperty("detail").GetString()!.ShouldContain("Start the workflow anew");
    }

    [Theory]
    [InlineData("GET", "workflow-instances/nobody")]
    [InlineData("GET", "workflow-instances/nobody/execution-state")]
    [InlineData("POST", "workflow-instances/nobody/journal")]
    [InlineData("GET", "workflow-instances/nobody/variables")]
    [InlineData("GET", "workflow-instances/nobody/export")]
    [InlineData("DELETE", "workflow-instances/nobody")]
    [InlineData("GET", "activity-executions/nobody-1")]
    [InlineData("GET", "activity-executions/nobody/call-stack")]
    [InlineData("GET", "activity-executions/list?workflowInstanceId=nobody")]
    [InlineData("GET", "alterations/nobody")]
    public async Task Unknown_Id_Is404Problem(string method, string path)
    {
        using var response = await _host.Client.SendAsync(new(new(method), path), Cancel);
        (await InstanceHost.ReadAsync(response, 404)).GetProperty("errors").GetProperty("generalErrors").GetArrayLength().ShouldBe(1);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Theory]
    [InlineData("GET", "workflow-instances", 200)]
    [InlineData("POST", "workflow-instances", 200)]
    [InlineData("DELETE", "workflow-instances/x", 403)]
    [InlineData("POST", "workflow-instances/x/variables", 403)]
    [InlineData("POST", "cancel/workflow-instances/x", 403)]
    [InlineData("POST", "bulk-actions/delete/workflow-instances/by-id", 403)]
    [InlineData("POST", "bulk-actions/cancel/workflow-instances", 403)]
    [InlineData("POST", "bulk-actions/import/workflow-instances", 403)]
    [InlineData("POST", "workflow-definitions/x/execute", 403)]
    [InlineData("GET", "workflow-definitions/x/execute", 403)]
    [InlineData("POST", "workflow-definitions/x/dispatch", 403)]
    [InlineData("POST", "workflow-definitions/x/bulk-dispatch", 403)]
    [InlineData("POST", "events/x/trigger", 403)]
    [InlineData("POST", "tasks/x/complete", 403)]
    [InlineData("POST", "bookmarks/resume", 403)]
    [InlineData("POST", "alterations/run", 403)]
    [InlineData("POST", "alterations/submit", 403)]
    [InlineData("POST", "alterations/dry-run", 403)]
    [InlineData("POST", "alterations/workflows/retry", 403)]
    public async Task Permissions_OfAnAuditor_AreToRead(string method, string path, int status)
    {
        using var auditor = _host.ClientOf(AuraRoles.Auditor);
        using var response = await auditor.SendAsync(new(new(method), path), Cancel);
        ((int)response.StatusCode).ShouldBe(status);
        using var nobody = _host.ClientOf(null);
        using var refused = await nobody.SendAsync(new(new(method), path), Cancel);
        ((int)refused.StatusCode).ShouldBe(401);
    }

    private Task<JsonElement> ListAsync(string body) => _host.PostAsync("workflow-instances", body);

    private static List<string?> Ids(JsonElement list) => [.. list.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString())];

    private static List<string> Events(JsonElement journal) =>
        [.. journal.GetProperty("items").EnumerateArray().Select(i => $"{i.GetProperty("activityId")}:{i.GetProperty("eventName")}")];
}
