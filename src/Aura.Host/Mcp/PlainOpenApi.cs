using System.Text.Json.Nodes;
using Aura.Orchestra.Tools;

namespace Aura.Host.Mcp;

/// <summary>The OpenAPI 3.1 document of the plain endpoints, made from the tools' own schemas (both are JSON Schema 2020-12).</summary>
internal static class PlainOpenApi
{
    private const string Session = """{"type":"string","minLength":1,"maxLength":64,"description":"The sandbox: what create_sandbox was given; an employee may leave it out"}""";

    public static JsonObject Document()
    {
        var paths = new JsonObject
        {
            [$"/mcp/{PlainApi.CreateSandbox}"] = new JsonObject
            {
                ["post"] = Operation(PlainApi.CreateSandbox, "Open a sandbox", "Opens a sandbox of your own on a project. The same again gives the same sandbox, untouched.", "201", JsonNode.Parse($$"""
                    {"type":"object","properties":{"project":{"type":"string","minLength":1,"maxLength":64},"session_id":{{Session}} },"required":["project","session_id"],"additionalProperties":false}
                    """)!),
            },
        };
        foreach (var tool in PlainApi.Posted)
        {
            var schema = JsonNode.Parse(tool.Schema)!;
            schema["properties"]![PlainApi.SessionId] = JsonNode.Parse(Session);
            var post = Operation(tool.Name, tool.Title, tool.Description, "200", schema);
            post["parameters"] = new JsonArray(WithText());
            paths[$"/mcp/{tool.Name}"] = new JsonObject { ["post"] = post };
        }

        var diff = ToolCatalog.Find(ToolNames.Diff)!;
        var get = Operation(diff.Name, diff.Title, diff.Description, "200", null);
        get["parameters"] = new JsonArray(new JsonObject
        {
            ["name"] = PlainApi.SessionId,
            ["in"] = "query",
            ["required"] = false,
            ["schema"] = JsonNode.Parse(Session),
        }, WithText());
        paths[$"/mcp/{diff.Name}"] = new JsonObject { ["get"] = get };
        return new()
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Aura's tools as plain JSON",
                ["version"] = "1",
                ["description"] = "The tools that MCP offers at /mcp, for programs that do not speak it. Refusals are problem documents (RFC 9457) with a stable member 'code'.",
            },
            ["security"] = new JsonArray(new JsonObject { ["token"] = new JsonArray() }),
            ["tags"] = new JsonArray(new JsonObject { ["name"] = "tools", ["description"] = "One endpoint a tool." }),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["securitySchemes"] = new JsonObject { ["token"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
                ["schemas"] = new JsonObject
                {
                    ["Problem"] = JsonNode.Parse("""
                        {"type":"object","properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},"code":{"type":"string","description":"Stable, for programs"} },"required":["status","code"]}
                        """),
                },
            },
        };
    }

    private static JsonObject Operation(string name, string title, string description, string status, JsonNode? body)
    {
        var operation = new JsonObject
        {
            ["operationId"] = name,
            ["summary"] = title,
            ["description"] = description,
            ["tags"] = new JsonArray("tools"),
            ["responses"] = new JsonObject
            {
                [status] = Answer("Done.", "application/json", new JsonObject { ["type"] = "object" }),
                ["default"] = Answer("Refused.", "application/problem+json", new JsonObject { ["$ref"] = "#/components/schemas/Problem" }),
            },
        };
        if (body is not null)
        {
            operation["requestBody"] = new JsonObject
            {
                ["required"] = true,
                ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = body } },
            };
        }

        return operation;
    }

    private static JsonObject WithText() => new()
    {
        ["name"] = PlainApi.Text,
        ["in"] = "query",
        ["required"] = false,
        ["description"] = "true: the answer has the member 'text', too, which is what a model reads over MCP",
        ["schema"] = new JsonObject { ["type"] = "boolean", ["default"] = false },
    };

    private static JsonObject Answer(string description, string type, JsonObject schema) => new()
    {
        ["description"] = description,
        ["content"] = new JsonObject { [type] = new JsonObject { ["schema"] = schema } },
    };
}
