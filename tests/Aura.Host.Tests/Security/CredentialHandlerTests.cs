using System.Net;
using System.Net.Http.Headers;
using Aura.Host.Security;
using Aura.Host.Tests.Api;
using Microsoft.Extensions.DependencyInjection;

namespace Aura.Host.Tests.Security;

/// <summary>The forms in which a key or token may come, and where.</summary>
public sealed class CredentialHandlerTests(ApiHost host) : IClassFixture<ApiHost>
{
    [Theory]
    [InlineData("/prds", "Authorization", "Bearer {key}", 200)]
    [InlineData("/prds", "Authorization", "bearer {key}", 200)]
    [InlineData("/prds", "Authorization", "Bearer wrong", 401)]
    [InlineData("/prds", "Authorization", "Basic {key}", 401)]
    [InlineData("/prds", "Authorization", "ApiKey {key}", 200)]
    [InlineData("/prds", "Authorization", "apikey {key}", 200)]
    [InlineData("/prds", "X-Api-Key", "{key}", 200)]
    [InlineData("/prds", "X-Api-Key", "{key}x", 401)]
    [InlineData("/prds", "X-Api-Key", "", 401)]
    [InlineData("/prds", "Authorization", "Bearer {token}", 200)]
    [InlineData("/prds", "Authorization", "ApiKey {token}", 401)]
    [InlineData("/prds", "X-Api-Key", "{token}", 401)]
    [InlineData("/prds", "Cookie", "access_token={token}", 401)]
    [InlineData("/prds?access_token={token}", null, null, 401)]
    [InlineData("/prds?access_token={key}", null, null, 401)]
    [InlineData("/elsa/hubs/probe?access_token={token}", null, null, 200)]
    [InlineData("/elsa/hubs/probe?access_token={key}", null, null, 200)]
    [InlineData("/elsa/hubs/probe?access_token=wrong", null, null, 401)]
    [InlineData("/elsa/hubs/probe", null, null, 401)]
    [InlineData("/elsa/hubs/probe?access_token={token}", "Authorization", "Bearer wrong", 401)]
    public async Task Request_WithACredential_IsTakenWhereItBelongs(string path, string? header, string? value, int status)
    {
        var token = host.App.Services.GetRequiredService<AccessTokens>().Issue(new(null, "director", ["Director"], 0));
        string Fill(string text) => text.Replace("{token}", token, StringComparison.Ordinal).Replace("{key}", ApiHost.Key, StringComparison.Ordinal);
        using var client = host.Anonymous();
        using var request = new HttpRequestMessage(HttpMethod.Get, Fill(path));
        if (header is not null)
            request.Headers.TryAddWithoutValidation(header, Fill(value!));
        ((int)(await client.SendAsync(request, ApiHost.Cancel)).StatusCode).ShouldBe(status);
    }

    [Fact]
    public async Task Challenge_BadToken_SaysWhyWithoutRepeatingIt()
    {
        using var client = host.Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "eyJwrong.eyJwrong.wrong");
        var response = await client.GetAsync("/prds", ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        var body = await response.Content.ReadAsStringAsync(ApiHost.Cancel);
        body.ShouldContain("malformed");
        (body + response.Headers.WwwAuthenticate).ShouldNotContain("eyJwrong");
    }

    [Fact]
    public async Task Token_WhileTheDatabaseIsAway_Is503AndNo401()
    {
        await using var app = await host.StartAsync("Host=127.0.0.1;Port=1;Username=nobody;Timeout=2");
        var token = app.Services.GetRequiredService<AccessTokens>().Issue(new(1, "ada", ["Auditor"], 1));
        using var client = ApiHost.ClientOf(app, token);
        var response = await client.GetAsync("/prds", ApiHost.Cancel);
        response.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (await ApiHost.JsonAsync(response)).GetProperty("title").GetString().ShouldBe("The database does not answer");
        response.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
    }

    [Fact]
    public async Task Token_OfAUserThatIsUnknown_IsRefused()
    {
        using var client = host.Anonymous();
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Bearer", host.App.Services.GetRequiredService<AccessTokens>().Issue(new(4711, "ghost", ["Director"], 1)));
        (await client.GetAsync("/prds", ApiHost.Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }
}
