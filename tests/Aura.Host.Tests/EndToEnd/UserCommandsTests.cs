using System.Diagnostics;
using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary><c>aura users</c> against a running host: real processes, their output, their exit codes.</summary>
public sealed class UserCommandsTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task Users_AddChangeDisable_AreWhatTheHostThenKnows()
    {
        await using var place = new Workplace();
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_ROLES", "manager"));

        (await RunAsync(place, "a first password\n", "users", "add", "Ada", "--role", "HR", "auditor", "--password-stdin")).ShouldBe((0, "Ada may sign in now.\n"));
        (await RunAsync(place, "a first password\n", "users", "add", "ada", "--role", "HR", "--password-stdin")).ExitCode.ShouldBe(4);
        (await RunAsync(place, "", "users", "add", "bob", "--role", "HR")).ShouldBe((2, ""));
        (await RunAsync(place, "short\n", "users", "add", "bob", "--role", "HR", "--password-stdin")).ExitCode.ShouldBe(1);
        (await SignInAsync(host, "a first password")).ShouldBe(200);

        (await RunAsync(place, "a second password\n", "users", "password", "ada", "--password-stdin")).ExitCode.ShouldBe(0);
        (await SignInAsync(host, "a first password")).ShouldBe(401);
        (await SignInAsync(host, "a second password")).ShouldBe(200);

        (await RunAsync(place, "", "users", "roles", "ada", "Director")).Output.ShouldContain("[\"Director\"]");
        (await RunAsync(place, "", "users", "disable", "ada")).ExitCode.ShouldBe(0);
        (await SignInAsync(host, "a second password")).ShouldBe(401);
        (await RunAsync(place, "", "users", "enable", "ada")).ExitCode.ShouldBe(0);
        (await RunAsync(place, "", "users", "enable", "nobody")).ExitCode.ShouldBe(3);

        var list = JsonSerializer.Deserialize<JsonElement>((await RunAsync(place, "", "users", "list", "--json")).Output);
        var ada = list.GetProperty("items").EnumerateArray().Single();
        (ada.GetProperty("name").GetString(), ada.GetProperty("is_active").GetBoolean()).ShouldBe(("Ada", true));
        (await RunAsync(place, "", "users", "list")).Output.ShouldStartWith("Ada\t[\"Director\"]\ttrue\t");
    }

    private static async Task<int> SignInAsync(ChildHost host, string password)
    {
        using var content = new StringContent(JsonSerializer.Serialize(new { username = "ada", password }), System.Text.Encoding.UTF8, "application/json");
        using var response = await host.Http.PostAsync("/auth/login", content);
        return (int)response.StatusCode;
    }

    private async Task<(int ExitCode, string Output)> RunAsync(Workplace place, string input, params string[] arguments)
    {
        var (exitCode, output, error) = await place.RunAsync(database, arguments, input);
        error.ShouldNotContain("   at ", Case.Sensitive);
        return (exitCode, output);
    }
}
