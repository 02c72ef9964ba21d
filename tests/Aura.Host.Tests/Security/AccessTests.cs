using Aura.Host.Security;
using Aura.Testing;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Security;

/// <summary>Who may do what, endpoint by endpoint, through a real host.</summary>
public sealed class AccessTests(SignInHost host) : IClassFixture<SignInHost>
{
    // By role: Director, ManagerOperator, Auditor, HR, Employee.
    [Theory]
    [InlineData("GET /auth/me", "yes yes yes yes yes")]
    [InlineData("GET /prds", "yes yes yes yes no")]
    [InlineData("GET /prds/prd-22222222", "yes yes yes yes no")]
    [InlineData("GET /jobs", "yes yes yes yes no")]
    [InlineData("GET /jobs/job-22222222", "yes yes yes yes no")]
    [InlineData("GET /events?after=now", "yes yes yes yes no")]
    [InlineData("GET /archive", "yes yes yes yes no")]
    [InlineData("GET /models", "yes yes yes yes yes")]
    [InlineData("POST /models/m/register", "yes no no no yes")]
    [InlineData("PATCH /models/m", "yes yes no no no")]
    [InlineData("POST /models/m/artifact", "yes no no no yes")]
    [InlineData("POST /jobs/claim", "yes no no no yes")]
    [InlineData("POST /jobs/job-22222222/claim", "yes no no no yes")]
    [InlineData("POST /jobs/job-22222222/heartbeat", "yes no no no yes")]
    [InlineData("POST /jobs/job-22222222/release", "yes no no no yes")]
    [InlineData("POST /jobs/job-22222222/submit", "yes no no no yes")]
    [InlineData("GET /metrics", "yes yes yes yes no")]
    [InlineData("POST /prds", "yes yes no no no")]
    [InlineData("POST /jobs/job-22222222/assign", "yes yes no no no")]
    [InlineData("POST /prds/prd-22222222/approve", "yes no no no no")]
    [InlineData("POST /prds/prd-22222222/reject", "yes no no no no")]
    [InlineData("GET /users", "yes no no no no")]
    [InlineData("POST /users", "yes no no no no")]
    [InlineData("PATCH /users/nobody", "yes no no no no")]
    public async Task Endpoint_ForEachRole_IsOpenOrSaysWhatIsMissing(string endpoint, string expected)
    {
        var (method, path) = (endpoint.Split(' ')[0], endpoint.Split(' ')[1]);
        var body = method == "GET" ? null : "{}";
        var found = new List<string>();
        foreach (var role in AuraRoles.All)
        {
            var answer = await host.SendAsync(method, path, body, await TokenOfAsync(role));
            found.Add(answer.Status == 403 ? "no" : "yes");
            answer.Status.ShouldNotBe(401, answer.Text);
            if (answer.Status == 403)
            {
                var permission = answer.Json.GetProperty("permission").GetString()!;
                Permissions.Roles[permission].ShouldNotContain(role);
                answer.Texts("roles").ShouldBe(Permissions.Roles[permission]);
                answer.Json.GetProperty("detail").GetString()!.ShouldContain(permission);
            }
        }

        string.Join(' ', found).ShouldBe(expected);
        var anonymous = await host.SendAsync(method, path, body);
        (anonymous.Status, anonymous.Type).ShouldBe((401, "application/problem+json"));
        anonymous.Headers["WWW-Authenticate"].ShouldStartWith("Bearer ");
        anonymous.Json.GetProperty("detail").GetString()!.ShouldContain("/sign-in");
        anonymous.Json.GetProperty("detail").GetString()!.ShouldContain("DIRECTOR_API_KEY");
    }

    [Fact]
    public void Permissions_EachOfTheTable_StandInTheGuide()
    {
        var rows = File.ReadLines(Repository.Path("docs", "security.md")).Where(l => l.StartsWith('|'))
            .Select(l => l.Split('|', StringSplitOptions.TrimEntries)[1..^1]).ToList();
        rows[0][1..].ShouldBe(AuraRoles.All);

        rows[2..].Select(r => $"{r[0].Split('`')[1]}: {string.Join(' ', AuraRoles.All.Where((_, i) => r[i + 1] == "✓"))}")
            .ShouldBe(Permissions.Roles.Select(p => $"{p.Key}: {string.Join(' ', AuraRoles.All.Where(p.Value.Contains))}"), ignoreOrder: true);
    }

    [Fact]
    public void Endpoints_OfTheWholeHost_EachSaysWhoMayCall()
    {
        var silent = host.Host.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Where(e => e.Metadata.GetMetadata<IAuthorizeData>() is null && e.Metadata.GetMetadata<IAllowAnonymous>() is null)
            .Select(e => e.DisplayName);
        // Its workflows say it, each for its own path.
        silent.ShouldBe(["HTTP workflows"]);
    }

    [Fact]
    public void Endpoints_OpenToAll_AreTheseOnly()
    {
        var open = host.Host.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            .Select(e => e.RoutePattern.RawText!)
            .Where(p => !p.StartsWith("/studio", StringComparison.Ordinal) && Path.GetExtension(p) is not (".js" or ".css" or ".svg"));
        open.ShouldBe(
            ["/", "/sign-in", "/health", "/ready", "/auth/login", "/auth/refresh", "/auth/logout", "/elsa/api/identity/login",
                "/elsa/api/identity/refresh-token",
                "/diagnostics/structured-logs"],
            ignoreOrder: true);
    }

    [Fact]
    public async Task Submit_BySomeone_IsRecordedUnderTheirName()
    {
        var token = await TokenOfAsync(AuraRoles.ManagerOperator);
        await host.SendAsync("POST", "/users", """{"name":"x","password":"a long password","roles":["HR"]}""", SignInHost.Key);
        (await host.ScalarAsync<string>("SELECT actor FROM aura.audit_logs WHERE action = 'user.add' AND details->>'user' = 'x'")).ShouldBe("director");

        var director = await TokenOfAsync(AuraRoles.Director);
        await host.SendAsync("PATCH", "/users/x", """{"roles":["Auditor"]}""", director);

        (await host.ScalarAsync<string>("SELECT actor FROM aura.audit_logs WHERE action = 'user.roles' AND details->>'user' = 'x'")).ShouldBe("the.Director");
        (await host.SendAsync("PATCH", "/users/x", """{"roles":["HR"]}""", token)).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("""{"name":"director","password":"a long password","roles":["HR"]}""", 400, "name")]
    [InlineData("""{"name":"two words","password":"a long password","roles":["HR"]}""", 400, "name")]
    [InlineData("""{"name":"fine","password":"short","roles":["HR"]}""", 400, "password")]
    [InlineData("""{"name":"fine","roles":["HR"]}""", 400, "password")]
    [InlineData("""{"name":"fine","password":"a long password"}""", 400, "roles")]
    [InlineData("""{"name":"fine","password":"a long password","roles":[]}""", 400, "roles")]
    [InlineData("""{"name":"fine","password":"a long password","roles":["HR","King"]}""", 400, "roles[1]")]
    public async Task AddUser_BadRequest_NamesTheField(string json, int status, string field)
    {
        var answer = await host.SendAsync("POST", "/users", json, SignInHost.Key);
        answer.Status.ShouldBe(status, answer.Text);
        answer.Json.GetProperty("errors").EnumerateObject().Select(e => e.Name).ShouldBe([field]);
        answer.Text.ShouldNotContain("a long password");
    }

    [Fact]
    public async Task ChangeUser_ThatIsNotThereOrSaysNothing_IsRefusedClearly()
    {
        (await host.SendAsync("PATCH", "/users/nobody", """{"is_active":true}""", SignInHost.Key)).Status.ShouldBe(404);
        (await host.SendAsync("PATCH", "/users/director", """{"is_active":false}""", SignInHost.Key)).Status.ShouldBe(409);
        (await host.SendAsync("PATCH", "/users/nobody", "{}", SignInHost.Key)).Status.ShouldBe(400);
        (await host.SendAsync("PATCH", "/users/nobody", """{"is_active":"no"}""", SignInHost.Key)).Status.ShouldBe(400);
    }

    [Fact]
    public async Task AddUser_TakenName_Is409AndListShowsNoSecret()
    {
        await host.AddUserAsync("Twice", "HR");
        (await host.SendAsync("POST", "/users", """{"name":"tWICE","password":"a long password","roles":["HR"]}""", SignInHost.Key)).Status.ShouldBe(409);
        var list = await host.SendAsync("GET", "/users", null, SignInHost.Key);
        list.Json.GetProperty("items").EnumerateArray().First(u => u.GetProperty("name").GetString() == "Twice")
            .EnumerateObject().Select(p => p.Name).ShouldBe(["name", "roles", "is_active", "created_at", "last_sign_in_at"]);
    }

    private async Task<string> TokenOfAsync(string role)
    {
        var name = "the." + role;
        var answer = await host.LoginAsync(name);
        if (answer.Status == 401)
        {
            await host.AddUserAsync(name, role);
            answer = await host.LoginAsync(name);
        }

        return answer.AccessToken;
    }
}
