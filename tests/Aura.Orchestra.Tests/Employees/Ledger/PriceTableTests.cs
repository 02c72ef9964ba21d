using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;

namespace Aura.Orchestra.Tests.Employees.Ledger;

public sealed class PriceTableTests
{
    private static readonly Uri OpenAi = new("https://api.openai.com/v1");

    [Theory]
    [InlineData("gpt-5-mini", 1_000_000, 0, 1_000_000, 2.25)]
    [InlineData("gpt-5-mini", 1_000_000, 1_000_000, 0, 0.025)]
    [InlineData("gpt-5-mini-2025-08-07", 1_000_000, 0, 0, 0.25)]
    [InlineData("gpt-5-mini-turbo", 1_000_000, 0, 0, null)]
    [InlineData("unheard-of", 1_000_000, 0, 0, null)]
    public void CostOf_OpenAi_IsByTheTableOrUnknown(string model, long prompt, long cached, long completion, double? cost) =>
        ((double?)PriceTable.BuiltIn().CostOf("openai", OpenAi, model, new(prompt, cached, completion))).ShouldBe(cost);

    [Fact]
    public void CostOf_LongPrompt_HasItsOwnPrice()
    {
        var table = PriceTable.BuiltIn();
        var gemini = new Uri("https://generativelanguage.googleapis.com/v1beta/openai/");

        table.CostOf("gemini", gemini, "gemini-2.5-pro", new(200_000, 0, 0)).ShouldBe(0.25m);
        table.CostOf("gemini", gemini, "gemini-2.5-pro", new(400_000, 0, 0)).ShouldBe(1m);
    }

    [Fact]
    public void CostOf_AnotherHost_IsUnknownAndAtHomeNothing()
    {
        var table = PriceTable.BuiltIn();

        table.CostOf("openai", new("http://127.0.0.1:8080/v1"), "gpt-5-mini", new(1, 0, 1)).ShouldBeNull();
        table.CostOf("ollama", new("http://gpu:11434"), "anything", new(1, 0, 1)).ShouldBe(0);
    }

    [Theory]
    [InlineData("nonsense", "not valid JSON")]
    [InlineData("{}", "$.providers must be a list with at least one entry")]
    [InlineData("""{"version":"1","currency":"USD","providers":[{"backend":"x"}]}""", "$.providers[0].models must be an object")]
    [InlineData("""{"version":"1","currency":"USD","providers":[{"backend":"x","models":{"m":[{"prompt":-1,"cached":0,"completion":0}]}}]}""",
        "models.m[0].prompt must be a number that is not negative")]
    [InlineData("""{"version":"1","currency":"USD","providers":[{"backend":"x","models":{"m":[{"prompt":1,"completion":0}]}}]}""",
        "models.m[0].cached must be")]
    [InlineData("""{"currency":"USD","providers":[{"backend":"x","models":{"m":[{"prompt":1,"cached":1,"completion":0}]}}]}""",
        "$.version must be a text")]
    public void Parse_Mistake_SaysWhatAndWhere(string json, string problem)
    {
        PriceTable.Parse(json, "prices.json", out var errors).ShouldBeNull();
        errors[0].ShouldContain(problem);
    }
}
