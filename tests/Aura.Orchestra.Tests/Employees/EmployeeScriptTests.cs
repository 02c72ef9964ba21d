using Aura.Orchestra.Employees;
using Aura.Testing;

namespace Aura.Orchestra.Tests.Employees;

public sealed class EmployeeScriptTests
{
    [Theory]
    [InlineData("[]", "$ must be an object, not array.")]
    [InlineData("{}", "$.jobs must be an object with one entry for each job title.")]
    [InlineData("""{"jobs":{},"extra":1}""", "$.extra is not known here; known: about, prd_title, jobs.")]
    [InlineData("""{"jobs":{},"prd_title":1}""", "$.prd_title must be a text.")]
    [InlineData("""{"jobs":{"J":{}}}""", "$.jobs['J'].attempts must be a list with at least one attempt.")]
    [InlineData("""{"jobs":{"J":{"attempts":[]}}}""", "$.jobs['J'].attempts must be a list with at least one attempt.")]
    [InlineData("""{"jobs":{"J":{"attempts":[{}]}}}""", "$.jobs['J'].attempts[0].calls must be a list of tool calls.")]
    [InlineData("""{"jobs":{"J":{"attempts":[{"calls":[],"confidence":2}]}}}""", "$.jobs['J'].attempts[0].confidence must be a number from 0 to 1.")]
    [InlineData("""{"jobs":{"J":{"attempts":[{"calls":["x"]}]}}}""", "$.jobs['J'].attempts[0].calls[0] must be an object, not string.")]
    [InlineData("""{"jobs":{"J":{"attempts":[{"calls":[{"tool":"sleep","arguments":{}}]}]}}}""", "$.jobs['J'].attempts[0].calls[0].arguments.seconds must be a number of seconds, at most a day.")]
    [InlineData("""{"jobs":{"J":{"attempts":[{"calls":[{"tool":"read_file","arguments":{"path":["a",1]}}]}]}}}""", "$.jobs['J'].attempts[0].calls[0].arguments.path as a list must hold only texts, one for each line.")]
    public void Parse_WrongShape_NamesFileAndPath(string json, string error)
    {
        EmployeeScript.Parse(json, "x.script.json", out var errors).ShouldBeNull();
        errors.ShouldBe([$"x.script.json: {error}"]);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    [InlineData("""{"jobs":{"J":{"attempts":[]},"J":{"attempts":[]}}}""")]
    public void Parse_BrokenJson_NamesTheFile(string json)
    {
        EmployeeScript.Parse(json, "x.script.json", out var errors).ShouldBeNull();
        errors.ShouldHaveSingleItem().ShouldStartWith("x.script.json: not valid JSON: ");
    }

    [Fact]
    public void Parse_SeveralProblems_AreAllReported()
    {
        EmployeeScript.Parse("""{"x":1,"jobs":{"A":{},"B":{}}}""", "f", out var errors).ShouldBeNull();
        errors.Count.ShouldBe(3);
    }

    [Fact]
    public void Parse_EveryScriptOfTheRepository_IsValid()
    {
        var scripts = Directory.EnumerateFiles(Repository.Path("real_projects"), "*.script.json", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Repository.Path("tests", "fixtures"), "*.script.json", SearchOption.AllDirectories)).ToList();

        scripts.Count.ShouldBeGreaterThan(9);
        foreach (var path in scripts)
        {
            var script = EmployeeScript.Parse(File.ReadAllText(path), path, out var errors);
            errors.ShouldBeEmpty();
            script.ShouldNotBeNull();
        }
    }
}
