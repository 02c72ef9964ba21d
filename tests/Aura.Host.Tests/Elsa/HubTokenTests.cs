using Aura.Host.Configuration;
using Aura.Host.Hosting;
using Aura.Testing;

namespace Aura.Host.Tests.Elsa;

/// <summary>The whole host, as it is started: a WebSocket's token stands in its URL, and must stand nowhere else.</summary>
public sealed class HubTokenTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private const string Key = "a-director-key-for-tests";

    [Fact]
    public async Task Connect_TokenInTheUrl_IsInNoLog()
    {
        var folder = Directory.CreateTempSubdirectory("aura-hub-");
        try
        {
            var settings = new Dictionary<string, string?>
            {
                ["AURA_DATABASE"] = database.ConnectionString,
                ["AURA_ROOT"] = folder.FullName,
                ["AURA_STATE"] = Path.Combine(folder.FullName, "state"),
                ["AURA_WORKFLOWS"] = Repository.Path("workflows"),
                ["AURA_PROJECTS"] = Repository.Path("real_projects"),
                ["AURA_ROLES"] = "manager",
                ["MANAGER_PORT"] = "0",
                ["DIRECTOR_API_KEY"] = Key,
            };
            await using (var host = await AuraHost.StartAsync(AuraOptions.Load(settings.GetValueOrDefault), LogStyle.FileOnly, TestContext.Current.CancellationToken))
            {
                var url = host.Url + "/elsa/hubs/workflow-instance?access_token=" + Key;
                await using (var client = await HubClient.ConnectAsync(url, authorization: null))
                    (await client.InvokeAsync("ObserveInstanceAsync", "nobody"))!.ShouldContain("no such workflow instance");
                // A wrong one, and a request that fails, are what logs like to tell of.
                await Should.ThrowAsync<System.Net.WebSockets.WebSocketException>(() => HubClient.ConnectAsync(url + "-wrong", authorization: null));
                using var http = new HttpClient();
                using var refused = await http.GetAsync(new Uri(host.Url + "/elsa/hubs/workflow-instance?id=x&access_token=" + Key), TestContext.Current.CancellationToken);
                refused.IsSuccessStatusCode.ShouldBeFalse();
            }

            var logs = Directory.GetFiles(Path.Combine(folder.FullName, "logs"), "*", SearchOption.AllDirectories);
            logs.ShouldNotBeEmpty();
            foreach (var log in logs)
                (await File.ReadAllTextAsync(log, TestContext.Current.CancellationToken)).ShouldNotContain(Key);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
