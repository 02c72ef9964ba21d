using System.Text.Json;
using Aura.Host.Security;
using Aura.Host.Tests.Elsa;

namespace Aura.Host.Tests.Security;

/// <summary>Sign-in, renewal and sign-out through a real host.</summary>
public sealed class SignInTests(SignInHost host) : IClassFixture<SignInHost>
{
    [Fact]
    public async Task Login_RightPassword_GivesTokenAndCookieThatScriptsCannotRead()
    {
        await host.AddUserAsync("Ada", "ManagerOperator", "Auditor");

        var answer = await host.LoginAsync("ADA");

        answer.Status.ShouldBe(200, answer.Text);
        answer.Json.EnumerateObject().Select(p => p.Name).ShouldBe(["access_token", "token_type", "expires_in", "user"]);
        (answer.Json.GetProperty("token_type").GetString(), answer.Json.GetProperty("expires_in").GetInt32()).ShouldBe(("Bearer", 900));
        answer.Json.GetProperty("user").GetProperty("name").GetString().ShouldBe("Ada");
        answer.Texts("user", "roles").ShouldBe(["Auditor", "ManagerOperator"]);
        answer.Texts("user", "permissions").ShouldBe(["models:read", "organisation:read", "organisation:run", "workflows:edit", "workflows:read", "workflows:run"]);
        answer.Headers["Cache-Control"].ShouldBe("no-store");
        var cookie = answer.Headers["Set-Cookie"].ToLowerInvariant();
        foreach (var part in (string[])["; path=/auth", "; httponly", "; samesite=strict", "; expires="])
            cookie.ShouldContain(part);
        var me = await host.SendAsync("GET", "/auth/me", null, answer.AccessToken);
        me.Text.ShouldBe(answer.Json.GetProperty("user").GetRawText());
        (await host.ScalarAsync<string>("SELECT details->>'address' FROM aura.audit_logs WHERE actor = 'Ada' AND action = 'auth.sign_in'")).ShouldBe("127.0.0.1");
        (await host.ScalarAsync<string>("SELECT password_hash FROM aura.users WHERE name = 'Ada'"))!.ShouldNotContain(SignInHost.Password);
    }

    [Fact]
    public async Task Login_WrongPasswordUnknownOrDisabledUser_IsOneAnswer()
    {
        await host.AddUserAsync("gone", "HR");
        await host.ChangeUserAsync("gone", """{"is_active":false}""");
        await host.AddUserAsync("here", "HR");

        var answers = new[]
        {
            await host.LoginAsync("here", "wrong password"), await host.LoginAsync("a-secret-in-the-wrong-field"), await host.LoginAsync("gone"),
            await host.LoginAsync("director", "no such key"),
        };

        answers.ShouldAllBe(a => a.Status == 401 && a.Type == "application/problem+json" && a.RefreshCookie == null);
        answers.Select(a => a.Json.GetProperty("detail").GetString()).Distinct().Count().ShouldBe(1);
        (await host.ScalarAsync<string>("""
            SELECT string_agg(details->>'reason', ', ' ORDER BY id) FROM aura.audit_logs
            WHERE action = 'auth.sign_in_failed' AND coalesce(details->>'user', 'x') IN ('here', 'x', 'gone', 'director')
            """))!.ShouldContain("wrong password, unknown user, disabled, wrong password");
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.audit_logs WHERE details::text LIKE '%wrong-field%'")).ShouldBe(0);
    }

    [Theory]
    [InlineData("""{"username":"x"}""", 400)]
    [InlineData("""{"username":"x","password":"y","admin":true}""", 400)]
    [InlineData("[]", 400)]
    public async Task Login_BadRequest_NamesTheField(string json, int status)
    {
        var answer = await host.SendAsync("POST", "/auth/login", json);
        answer.Status.ShouldBe(status);
        answer.Json.GetProperty("errors").EnumerateObject().ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Login_FromAnotherSite_IsRefused()
    {
        var answer = await host.SendAsync("POST", "/auth/login", """{"username":"x","password":"y"}""", null, ("Origin", "https://evil.example"));
        answer.Status.ShouldBe(403);
    }

    [Fact]
    public async Task Login_DirectorsKey_IsTheDirector()
    {
        var signedIn = await host.LoginAsync("director", SignInHost.Key);
        signedIn.Texts("user", "roles").ShouldBe(["Director"]);
        (await host.SendAsync("GET", "/users", null, signedIn.AccessToken)).Status.ShouldBe(200);
        var renewed = await host.RefreshAsync(signedIn.RefreshCookie);
        renewed.Json.GetProperty("user").GetProperty("name").GetString().ShouldBe("director");
    }

    [Fact]
    public async Task Refresh_Chain_EachTokenIsNewAndNoneIsInTheDatabase()
    {
        await host.AddUserAsync("chain", "HR");
        var cookies = new List<string> { (await host.LoginAsync("chain")).RefreshCookie! };
        for (var i = 0; i < 5; i++)
        {
            var answer = await host.RefreshAsync(cookies[^1]);
            answer.Status.ShouldBe(200, answer.Text);
            (await host.SendAsync("GET", "/auth/me", null, answer.AccessToken)).Status.ShouldBe(200);
            cookies.Add(answer.RefreshCookie!);
        }

        cookies.Distinct().Count().ShouldBe(6);
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.refresh_tokens t JOIN aura.users u ON u.id = t.user_id WHERE u.name = 'chain'")).ShouldBe(1);
    }

    [Fact]
    public async Task Refresh_TabsAtOnce_AllGoOnWithTheSameToken()
    {
        await host.AddUserAsync("tabs", "HR");
        var first = (await host.LoginAsync("tabs")).RefreshCookie;

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => host.RefreshAsync(first)));

        answers.ShouldAllBe(a => a.Status == 200);
        var second = answers.Select(a => a.RefreshCookie).Distinct().Single();
        var third = await host.RefreshAsync(second);
        third.Status.ShouldBe(200);
        // Two exchanges old, but only just: a request that was long on its way.
        var late = await host.RefreshAsync(first);
        (late.Status, late.RefreshCookie).ShouldBe((409, null));
        (await host.RefreshAsync(third.RefreshCookie)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Refresh_OldTokenComesBack_EndsTheSignInAndIsAudited()
    {
        await host.AddUserAsync("robbed", "HR");
        var stolen = (await host.LoginAsync("robbed")).RefreshCookie;
        var second = (await host.RefreshAsync(stolen)).RefreshCookie;
        await host.ExecuteAsync("""
            UPDATE aura.refresh_tokens SET rotated_at = rotated_at - interval '1 minute'
            WHERE rotated_at IS NOT NULL AND user_id = (SELECT id FROM aura.users WHERE name = 'robbed')
            """);

        var thief = await host.RefreshAsync(stolen);

        (thief.Status, thief.RefreshCookie).ShouldBe((401, ""));
        (await host.RefreshAsync(second)).Status.ShouldBe(401);
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.audit_logs WHERE action = 'auth.refresh_reused' AND actor = 'robbed'")).ShouldBe(1);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("https://evil.example", null)]
    [InlineData("null", null)]
    [InlineData(null, "cross-site")]
    [InlineData(null, "same-site")]
    [InlineData(null, "none")]
    [InlineData("own", "same-site")]
    [InlineData("https://evil.example", "same-origin")]
    public async Task RefreshAndLogout_NotFromOwnPage_AreRefusedAndNothingEnds(string? origin, string? site)
    {
        var cookie = (await host.LoginAsync("director", SignInHost.Key)).RefreshCookie;
        List<(string, string)> headers = [.. SignInHost.Cookie(cookie)];
        if (origin is not null)
            headers.Add(("Origin", origin == "own" ? host.Host.Url : origin));
        if (site is not null)
            headers.Add(("Sec-Fetch-Site", site));
        foreach (var path in (string[])["/auth/refresh", "/auth/logout"])
            (await host.SendAsync("POST", path, null, null, [.. headers])).Status.ShouldBe(403);
        (await host.RefreshAsync(cookie)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Refresh_Expired_Is401()
    {
        await host.AddUserAsync("late", "HR");
        var cookie = (await host.LoginAsync("late")).RefreshCookie;
        await host.ExecuteAsync("""
            UPDATE aura.refresh_tokens SET started_at = now() - interval '31 days', expires_at = now() - interval '1 second'
            WHERE user_id = (SELECT id FROM aura.users WHERE name = 'late')
            """);
        (await host.RefreshAsync(cookie)).Status.ShouldBe(401);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("AAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("****************************************************************")]
    public async Task Refresh_NoOrForeignToken_Is401(string? cookie) => (await host.RefreshAsync(cookie)).Status.ShouldBe(401);

    [Fact]
    public async Task Logout_EndsTheSignIn()
    {
        await host.AddUserAsync("leaver", "HR");
        var cookie = (await host.LoginAsync("leaver")).RefreshCookie;

        var answer = await host.SendAsync("POST", "/auth/logout", null, null, [("Sec-Fetch-Site", "same-origin"), .. SignInHost.Cookie(cookie)]);

        (answer.Status, answer.RefreshCookie).ShouldBe((204, ""));
        (await host.RefreshAsync(cookie)).Status.ShouldBe(401);
        (await host.ScalarAsync<long>("SELECT count(*) FROM aura.audit_logs WHERE action = 'auth.sign_out' AND actor = 'leaver'")).ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"is_active":false}""", "disabled")]
    [InlineData("""{"password":"another long password"}""", "repassworded")]
    public async Task ChangeUser_DisabledOrNewPassword_EndsTokensOfBothKindsAtOnce(string change, string name)
    {
        await host.AddUserAsync(name, "HR");
        var signedIn = await host.LoginAsync(name);
        (await host.SendAsync("GET", "/prds", null, signedIn.AccessToken)).Status.ShouldBe(200);

        await host.ChangeUserAsync(name, change);

        var refused = await host.SendAsync("GET", "/prds", null, signedIn.AccessToken);
        refused.Status.ShouldBe(401);
        refused.Headers["WWW-Authenticate"].ShouldContain("disabled or changed");
        (await host.RefreshAsync(signedIn.RefreshCookie)).Status.ShouldBe(401);
        (await host.LoginAsync(name)).Status.ShouldBe(401);
    }

    [Fact]
    public async Task ChangeUser_NewRoles_ReachTheUserWithTheNextRenewal()
    {
        await host.AddUserAsync("riser", "HR");
        var signedIn = await host.LoginAsync("riser");
        await host.ChangeUserAsync("riser", """{"roles":["manageroperator"]}""");

        (await host.SendAsync("GET", "/prds", null, signedIn.AccessToken)).Status.ShouldBe(401);

        var renewed = await host.RefreshAsync(signedIn.RefreshCookie);
        renewed.Texts("user", "roles").ShouldBe(["ManagerOperator"]);
        (await host.SendAsync("GET", "/prds", null, renewed.AccessToken)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task TwoHosts_SameKey_AreOneAndAnotherKeyTakesNothing()
    {
        await host.AddUserAsync("roamer", "HR");
        var signedIn = await host.LoginAsync("roamer");
        var bearer = ("Authorization", "Bearer " + signedIn.AccessToken);
        await using (var twin = await host.StartAsync(SignInHost.Key))
        {
            (await host.SendAsync("GET", "/prds", null, twin.Url, bearer)).Status.ShouldBe(200);
            (await host.RefreshAsync(signedIn.RefreshCookie, twin.Url)).Status.ShouldBe(200);
            // The other host has read its list of users; a change of this one reaches it with the first newer token.
            await host.ChangeUserAsync("roamer", """{"roles":["Auditor"]}""");
            var newer = await host.LoginAsync("roamer");
            (await host.SendAsync("GET", "/prds", null, twin.Url, ("Authorization", "Bearer " + newer.AccessToken))).Status.ShouldBe(200);
            (await host.SendAsync("GET", "/prds", null, twin.Url, bearer)).Status.ShouldBe(401);
        }

        await using var stranger = await host.StartAsync("another-director-key");
        var refused = await host.SendAsync("GET", "/prds", null, stranger.Url, bearer);
        (refused.Status, refused.Headers["WWW-Authenticate"].Contains("another key", StringComparison.Ordinal)).ShouldBe((401, true));
        (await host.RefreshAsync(signedIn.RefreshCookie, stranger.Url)).Status.ShouldBe(401);
    }

    [Fact]
    public async Task Login_TooManyFailures_Is429AlsoWithTheRightPassword()
    {
        await host.AddUserAsync("target", "HR");
        var answers = new List<Answer>();
        for (var i = 0; i <= SignInThrottle.FailuresOfUser; i++)
            answers.Add(await host.LoginAsync("target", "wrong password"));

        answers.Select(a => a.Status).ShouldBe([.. Enumerable.Repeat(401, SignInThrottle.FailuresOfUser), 429]);
        int.Parse(answers[^1].Headers["Retry-After"], null).ShouldBeInRange(1, 300);
        (await host.LoginAsync("target")).Status.ShouldBe(429);
        (await host.LoginAsync("director", SignInHost.Key)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Elsa_LoginAndRefresh_HaveElsasForm()
    {
        await host.AddUserAsync("studio", "ManagerOperator");
        var wrong = await host.SendAsync("POST", "/elsa/api/identity/login", """{"username":"studio","password":"wrong"}""");
        (wrong.Status, wrong.Text).ShouldBe((200, """{"isAuthenticated":false,"accessToken":null,"refreshToken":null}"""));

        var right = await host.SendAsync(
            "POST", "/elsa/api/identity/login", JsonSerializer.Serialize(new { username = "studio", password = SignInHost.Password }));
        right.Json.GetProperty("isAuthenticated").GetBoolean().ShouldBeTrue();
        right.RefreshCookie.ShouldBeNull();
        var refresh = right.Json.GetProperty("refreshToken").GetString()!;
        (await host.SendAsync("GET", "/auth/me", null, right.Json.GetProperty("accessToken").GetString()!)).Status.ShouldBe(200);
        // The one token is not the other.
        (await host.SendAsync("GET", "/auth/me", null, refresh)).Status.ShouldBe(401);

        var renewed = await host.SendAsync("POST", "/elsa/api/identity/refresh-token", null, refresh);
        renewed.Json.GetProperty("isAuthenticated").GetBoolean().ShouldBeTrue();
        renewed.Json.GetProperty("refreshToken").GetString().ShouldNotBe(refresh);
        (await host.SendAsync("POST", "/elsa/api/identity/refresh-token", null, "nothing")).Status.ShouldBe(401);
        (await host.SendAsync("POST", "/elsa/api/identity/refresh-token")).Status.ShouldBe(401);
    }

    /// <summary>A WebSocket's token stands in its URL, and must stand nowhere else; nor must what people and pages send.</summary>
    [Fact]
    public async Task Log_OfAHostThatWasSignedInTo_HoldsNoTokenAndNoPassword()
    {
        var root = Directory.CreateTempSubdirectory("aura-log-");
        string url;
        Answer signedIn, renewed;
        await using (var own = await host.StartAsync(SignInHost.Key, root.FullName))
        {
            url = own.Url;
            var login = JsonSerializer.Serialize(new { username = "director", password = SignInHost.Key });
            signedIn = await host.SendAsync("POST", "/auth/login", login, url);
            renewed = await host.RefreshAsync(signedIn.RefreshCookie, url);
            var hub = $"{url}/elsa/hubs/workflow-instance?access_token={signedIn.AccessToken}";
            await using (var client = await HubClient.ConnectAsync(hub))
                (await client.InvokeAsync("ObserveInstanceAsync", "nobody"))!.ShouldContain("no such workflow instance");
            // A wrong one, and a request that fails, are what logs like to tell of.
            await Should.ThrowAsync<System.Net.WebSockets.WebSocketException>(() => HubClient.ConnectAsync(hub + "-wrong"));
            (await host.SendAsync("GET", $"/elsa/hubs/workflow-instance?id=x&access_token={signedIn.AccessToken}", null, url)).Status.ShouldNotBe(200);
            (await host.SendAsync("POST", "/auth/login", login.Replace("}", "", StringComparison.Ordinal), url)).Status.ShouldBe(400);
        }

        // The log is written in the background; a host that has stopped has written all of it.
        var log = await File.ReadAllTextAsync(Path.Combine(root.FullName, "logs", "manager", "latest.log"), SignInHost.Cancel);
        log.ShouldNotBeEmpty();
        foreach (var secret in (string[])[SignInHost.Key, signedIn.AccessToken, renewed.AccessToken, signedIn.RefreshCookie!, renewed.RefreshCookie!])
            log.ShouldNotContain(secret);
        root.Delete(recursive: true);
    }
}
