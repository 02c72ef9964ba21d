using System.Text;
using System.Text.Json;
using Aura.Host.Api;

namespace Aura.Host.Tests.Api;

public sealed class PrdRequestTests
{
    private const string Head = "\"project_id\":\"demo\",\"title\":\"T\"";

    [Fact]
    public void Parse_EveryField_IsRead()
    {
        var (request, errors) = Parse("""
            {"project_id":"demo","title":" Add OAuth ","description":"two\nlines","backend":"scripted","allow_test_changes":["tests/test_y.py"],
             "tasks":[
               {"id":"a","title":"First","type":"IMPLEMENT","role":"Employee","description":"d","payload":{"path":"app/","allowed_paths":["app/**"],"x":1},"max_retries":0},
               {"title":"Second","depends_on":["First","a"]},
               {"id":"c","title":"Third","depends_on":["2"]}],
             "acceptance_tests":[{"path":"tests/acceptance/test_x.py","content":"assert True\n"}]}
            """);
        errors.ShouldBeEmpty();
        request!.Title.ShouldBe("Add OAuth");
        request.Tasks.Select(t => t.Id).ShouldBe(["a", "2", "c"]);
        request.Tasks[1].DependsOn.ShouldBe(["a"]);
        request.Tasks[2].DependsOn.ShouldBe(["2"]);
        (request.Tasks[0].MaxRetries, request.Tasks[1].MaxRetries).ShouldBe((0, 2));
        request.Tasks[0].Payload!.Value.GetProperty("x").GetInt32().ShouldBe(1);
        request.AcceptanceTests.ShouldBe([new("tests/acceptance/test_x.py", "assert True\n")]);
        request.AllowTestChanges.ShouldBe(["tests/test_y.py"]);
    }

    [Theory]
    [InlineData("{\"title\":\"T\"}", "project_id", "missing")]
    [InlineData("{\"project_id\":\"demo\"}", "title", "missing")]
    [InlineData("{\"project_id\":\"demo\",\"title\":\"  \"}", "title", "empty")]
    [InlineData("{\"project_id\":\"demo\",\"title\":7}", "title", "must be a string, not a number")]
    [InlineData("{\"project_id\":\"demo\",\"title\":\"a\\nb\"}", "title", "single line")]
    [InlineData("{\"project_id\":\"other\",\"title\":\"T\"}", "project_id", "no project 'other'")]
    [InlineData("{\"project_id\":\"../demo\",\"title\":\"T\"}", "project_id", "no project")]
    [InlineData("{\"project_id\":[],\"title\":\"T\"}", "project_id", "not an array")]
    [InlineData("{H,\"tittle\":\"T\"}", "tittle", "not known")]
    [InlineData("{H,\"backend\":\"mainframe\"}", "backend", "scripted")]
    [InlineData("{H,\"description\":{}}", "description", "not an object")]
    [InlineData("{H,\"tasks\":{}}", "tasks", "must be an array")]
    [InlineData("{H,\"tasks\":[1]}", "tasks[0]", "must be an object")]
    [InlineData("{H,\"tasks\":[{}]}", "tasks[0].title", "missing")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"depend_on\":[]}]}", "tasks[0].depend_on", "not known")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"id\":\"a b\"}]}", "tasks[0].id", "letters")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"id\":\"a\"},{\"title\":\"B\",\"id\":\"a\"}]}", "tasks[1].id", "tasks[0]")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"id\":\"2\"},{\"title\":\"B\"}]}", "tasks[1].id", "tasks[0]")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"type\":\"implement\"}]}", "tasks[0].type", "upper-case")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"max_retries\":11}]}", "tasks[0].max_retries", "0 to 10")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"max_retries\":1.5}]}", "tasks[0].max_retries", "whole number")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"max_retries\":\"2\"}]}", "tasks[0].max_retries", "not a string")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"depends_on\":[\"A\",\"Z\"]}]}", "tasks[0].depends_on[1]", "'Z'")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"depends_on\":[5]}]}", "tasks[0].depends_on[0]", "must be a string")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\"},{\"title\":\"A\"},{\"title\":\"C\",\"depends_on\":[\"A\"]}]}", "tasks[2].depends_on[0]", "use the id")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"depends_on\":[\"1\"]}]}", "tasks[0].depends_on", "1 → 1")]
    [InlineData("{H,\"tasks\":[{\"title\":\"Z\"},{\"title\":\"A\",\"depends_on\":[\"C\"]},{\"title\":\"B\",\"depends_on\":[\"A\"]},{\"title\":\"C\",\"depends_on\":[\"B\"]}]}", "tasks[1].depends_on", "2 → 4 → 3 → 2")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"payload\":[]}]}", "tasks[0].payload", "must be an object")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"payload\":{\"path\":\"../x\"}}]}", "tasks[0].payload.path", "'..'")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"payload\":{\"allowed_paths\":[\"/etc/**\"]}}]}", "tasks[0].payload.allowed_paths[0]", "relative")]
    [InlineData("{H,\"tasks\":[{\"title\":\"A\",\"payload\":{\"allowed_paths\":\"app\"}}]}", "tasks[0].payload.allowed_paths", "array")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"/etc/passwd\",\"content\":\"x\"}]}", "acceptance_tests[0].path", "relative")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"tests/../../x.py\",\"content\":\"x\"}]}", "acceptance_tests[0].path", "'..'")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"a\\\\b\",\"content\":\"x\"}]}", "acceptance_tests[0].path", "'/'")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"C:x\",\"content\":\"x\"}]}", "acceptance_tests[0].path", "relative")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\".git/hooks/x\",\"content\":\"x\"}]}", "acceptance_tests[0].path", ".git")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"a.py\"}]}", "acceptance_tests[0].content", "missing")]
    [InlineData("{H,\"acceptance_tests\":[{\"path\":\"a\",\"content\":\"x\"},{\"path\":\"a/b\",\"content\":\"x\"}]}", "acceptance_tests[1].path", "cannot both")]
    [InlineData("{H,\"allow_test_changes\":[\"..\"]}", "allow_test_changes[0]", "'..'")]
    [InlineData("{H,\"allow_test_changes\":[\"\"]}", "allow_test_changes[0]", "1 to 255")]
    public void Parse_OneThingWrong_NamesTheField(string json, string field, string message)
    {
        var (request, errors) = Parse(json.Replace("{H", "{" + Head, StringComparison.Ordinal));
        request.ShouldBeNull();
        errors.Keys.ShouldBe([field]);
        errors[field].ShouldHaveSingleItem().ShouldContain(message);
    }

    [Fact]
    public void Parse_SeveralThingsWrong_NamesThemAll()
    {
        var (_, errors) = Parse("""{"title":1,"tasks":[{"title":"A","max_retries":-1},7],"nonsense":true}""");
        errors.Keys.ShouldBe(["nonsense", "project_id", "tasks[0].max_retries", "tasks[1]", "title"]);
    }

    [Fact]
    public void Parse_PathsThatAreNoGlob_AreRefusedByPlace()
    {
        var (_, errors) = Parse("""{"project_id":"demo","title":"T","allow_test_changes":["tests/[z-a].py"],"tasks":[{"title":"A","payload":{"allowed_paths":["a","[z-a]"]} }] }""");
        errors.Keys.ShouldBe(["allow_test_changes[0]", "tasks[0].payload.allowed_paths[1]"]);
        errors["allow_test_changes[0]"][0].ShouldContain("glob");
    }

    [Theory]
    [InlineData("{\"title\": ", "$", "line 1")]
    [InlineData("", "$", "well-formed")]
    [InlineData("[]", "$", "must be a JSON object, not an array")]
    [InlineData("{\"a\":1,\"a\":2}", "$", "a")]
    [InlineData("{\"tasks\":[{\"title\":\"a\\u0000\"}]}", "tasks[0].title", "NUL")]
    [InlineData("{\"title\":\"\\ud800\"}", "title", "surrogate")]
    [InlineData("{\"\\ud800\":1}", "$", "surrogate")]
    public void Read_BrokenDocument_NamesThePlace(string json, string field, string message)
    {
        var (body, problem) = RequestBody.Parse(Encoding.UTF8.GetBytes(json));
        body.ShouldBeNull();
        var errors = problem.ShouldBeOfType<Microsoft.AspNetCore.Http.HttpResults.ProblemHttpResult>().ProblemDetails
            .ShouldBeOfType<Microsoft.AspNetCore.Http.HttpValidationProblemDetails>().Errors;
        errors.Keys.ShouldBe([field]);
        errors[field][0].ShouldContain(message);
    }

    [Fact]
    public void Parse_DeepOrWideGraphWithoutCircle_IsAccepted()
    {
        var tasks = Enumerable.Range(0, 100).Select(i => new { id = $"t{i}", title = $"T{i}", depends_on = Enumerable.Range(0, i).Select(d => $"t{d}") });
        var (request, errors) = Parse(JsonSerializer.Serialize(new { project_id = "demo", title = "T", tasks }));
        errors.ShouldBeEmpty();
        request!.Tasks[99].DependsOn.Count.ShouldBe(99);
    }

    private static (PrdRequest? Request, Dictionary<string, string[]> Errors) Parse(string json)
    {
        var errors = new FieldErrors();
        var request = PrdRequest.Parse(JsonElement.Parse(json), p => p == "demo", ["scripted", "ollama"], errors);
        return (request, errors.ToDictionary());
    }
}
