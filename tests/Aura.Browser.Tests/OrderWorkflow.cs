using System.Text.Json;

namespace Aura.Browser.Tests;

/// <summary>
/// A small workflow with something of everything: it writes, waits for the event <c>order-paid</c>, faults when nothing is in stock, and ships.
/// </summary>
internal static class OrderWorkflow
{
    public const string Receive = "Receive order";
    public const string Wait = "Wait for payment";
    public const string Pick = "Pick goods";
    public const string Ship = "Ship order";

    /// <summary>Stores it as a draft under that id, which is its name, too.</summary>
    public static Task<JsonElement> ImportAsync(StudioHost host, string id, string shipText = "Shipped") =>
        host.PostAsync("/elsa/api/workflow-definitions/import", Json(id, shipText));

    /// <summary>Stores it and publishes it.</summary>
    public static async Task PublishAsync(StudioHost host, string id)
    {
        await ImportAsync(host, id);
        await host.PostAsync($"/elsa/api/workflow-definitions/{id}/publish", "{}");
    }

    /// <summary>Starts an order that waits for its payment.</summary>
    /// <returns>The instance's id.</returns>
    public static async Task<string> OrderAsync(StudioHost host, string id, string customer)
    {
        var started = await host.PostAsync(
            $"/elsa/api/workflow-definitions/{id}/dispatch",
            $$"""{"name":"{{customer}}'s order","correlationId":"{{customer}}","input":{"customer":"{{customer}}"} }""");
        var instanceId = started.GetProperty("workflowInstanceId").GetString()!;
        await ReachesAsync(host, instanceId, "Suspended");
        return instanceId;
    }

    public static Task PayAsync(StudioHost host, string instanceId) =>
        host.PostAsync("/elsa/api/events/order-paid/trigger", $$"""{"workflowInstanceId":"{{instanceId}}"}""");

    /// <summary>Puts something into stock while the order waits.</summary>
    public static Task FillStockAsync(StudioHost host, string instanceId) =>
        host.PostAsync($"/elsa/api/workflow-instances/{instanceId}/variables", """{"variables":[{"id":"stock","value":3}]}""");

    public static Task<JsonElement> ReachesAsync(StudioHost host, string instanceId, string subStatus) => host.EventuallyAsync(
        () => host.GetAsync($"/elsa/api/workflow-instances/{instanceId}"), i => i.GetProperty("subStatus").GetString() == subStatus);

    private static string Json(string id, string shipText) => $$"""
        {
          "definitionId": "{{id}}", "name": "{{id}}", "description": "Takes an order, waits for its payment and ships it",
          "variables": [{ "id": "stock", "name": "Stock", "typeName": "Int32", "value": 0 }],
          "inputs": [{ "name": "customer", "type": "String", "displayName": "Customer" }],
          "root": {
            "id": "flow", "nodeId": "Workflow1:flow", "name": "Flowchart1", "type": "Elsa.Flowchart", "version": 1,
            "activities": [
              {{Activity("receive", "Elsa.WriteLine", Receive, 0, 0, "text", "JavaScript", "'Order of ' + getInput('customer')")}},
              {{Activity("wait", "Elsa.Event", Wait, 320, 0, "eventName", "Literal", "order-paid")}},
              {{Activity("pick", "Elsa.RunJavaScript", Pick, 0, 120, "script", "Literal", PickScript)}},
              {{Activity("ship", "Elsa.WriteLine", Ship, 320, 120, "text", "Literal", shipText)}}
            ],
            "connections": [{{Connection("receive", "wait")}}, {{Connection("wait", "pick")}}, {{Connection("pick", "ship")}}]
          }
        }
        """;

    private const string PickScript = """
        if (getStock() < 1) throw new Error('Nothing in stock');
        setStock(getStock() - 1);
        return 'picked';
        """;

    private static string Activity(string id, string type, string title, int x, int y, string input, string syntax, string value) => $$"""
        {
          "id": "{{id}}", "nodeId": "Workflow1:flow:{{id}}", "name": "{{id}}", "type": "{{type}}", "version": 1,
          "customProperties": { "canStartWorkflow": {{(id == "receive" ? "true" : "false")}} },
          "metadata": { "displayText": "{{title}}", "designer": { "position": { "x": {{x}}, "y": {{y}} }, "size": { "width": 200, "height": 54 } } },
          "{{input}}": { "typeName": "String", "expression": { "type": "{{syntax}}", "value": {{JsonSerializer.Serialize(value)}} } }
        }
        """;

    private static string Connection(string source, string target) =>
        $$"""{"source":{"activity":"{{source}}","port":"Done"},"target":{"activity":"{{target}}","port":"In"},"vertices":[]}""";
}
