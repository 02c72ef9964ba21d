using System.Net;
using System.Net.Sockets;
using System.Text;
using Aura.Orchestra.Employees;

namespace Aura.Orchestra.Tests.Employees;

public sealed class EmployeeBackendsTests
{
    private static EmployeeBackends With(Action<EmployeeOptions> change)
    {
        var options = new EmployeeOptions();
        change(options);
        return new(options, TimeProvider.System);
    }

    [Fact]
    public async Task CheckAllAsync_NothingConfigured_OnlyScriptedIsAvailableAndTheOthersSayWhy()
    {
        var all = await With(_ => { }).CheckAllAsync();

        all.Select(b => (b.Name, b.IsAvailable))
            .ShouldBe([("scripted", true), ("ollama", false), ("openai", false), ("gemini", false), ("cli", false)]);
        all[0].Models.ShouldBe(["scripted-no-model"]);
        all[0].Detail.ShouldContain("no model is called");
        all[1].Detail.ShouldStartWith("OLLAMA_HOST is not set.");
        all[2].Detail.ShouldBe("OPENAI_API_KEY is not set.");
        all[3].Detail.ShouldBe("GEMINI_API_KEY is not set.");
        all[4].Detail.ShouldContain("write employees.json");
    }

    [Fact]
    public async Task CheckAsync_Key_IsAvailableAndShowsNoKey()
    {
        var backends = With(o => { o.OpenAi.ApiKey = "sk-secret-1234567"; o.Gemini.ApiKey = "AIzaSecret1234567"; o.Gemini.Models = ["mine"]; });

        var openAi = await backends.CheckAsync("openai");
        var gemini = await backends.CheckAsync("gemini");

        (openAi.IsAvailable, openAi.Kind, openAi.Models.Count).ShouldBe((true, "cloud", 1));
        (gemini.IsAvailable, gemini.Models[0]).ShouldBe((true, "mine"));
        $"{openAi} {gemini}".ShouldNotContain("ecret");
        new EndpointOptions { ApiKey = "sk-secret-1234567" }.ToString().ShouldNotContain("secret");
    }

    [Theory]
    [InlineData("http://10.0.0.9/v1", "k", false)]
    [InlineData("https://10.0.0.9/v1", "k", true)]
    [InlineData("http://127.0.0.1:8080/v1", "k", true)]
    [InlineData("http://10.0.0.9/v1", null, true)]
    [InlineData("ftp://10.0.0.9/v1", "k", false)]
    [InlineData("nonsense", "k", false)]
    public async Task CheckAsync_OpenAiAddress_ProtectsTheKey(string address, string? key, bool available) =>
        (await With(o => { o.OpenAi.BaseUrl = address; o.OpenAi.ApiKey = key; }).CheckAsync("openai")).IsAvailable.ShouldBe(available);

    [Fact]
    public async Task CheckAsync_OllamaNotRunning_SaysSo()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();

        var status = await With(o => o.Ollama.Host = $"127.0.0.1:{port}").CheckAsync("ollama");

        status.IsAvailable.ShouldBeFalse();
        status.Detail.ShouldContain("Is Ollama running there?");
    }

    [Fact]
    public async Task CheckAsync_OllamaAgainAndAgain_KeepsItsConnection()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = AnswerAsync();
        var backends = With(o => o.Ollama.Host = listener.LocalEndpoint.ToString()!);

        // Only one connection is accepted: another one would never be answered.
        for (var look = 0; look < 3; look++)
            (await backends.CheckAsync("ollama")).Models.ShouldBe(["qwen3"]);

        async Task AnswerAsync()
        {
            const string Body = """{"models":[{"name":"qwen3"}]}""";
            using var connection = await listener.AcceptTcpClientAsync();
            using var reader = new StreamReader(connection.GetStream(), Encoding.ASCII);
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.Length > 0)
                    continue;
                await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                    $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"));
            }
        }
    }

    [Fact]
    public void Adapter_UnknownName_NamesTheKnownOnes() =>
        Should.Throw<ArgumentException>(() => With(_ => { }).Adapter("claude")).Message.ShouldContain("scripted, ollama, openai, gemini, cli");

    [Theory]
    [InlineData("default")]
    [InlineData("employee:")]
    [InlineData("Employee:cli")]
    [InlineData("")]
    [InlineData(null)]
    public void OfQueue_QueueOfNoEmployee_SaysWhatToSet(string? queue) =>
        Should.Throw<ArgumentException>(() => EmployeeBackends.OfQueue(queue)).Message
            .ShouldContain($"The queue '{queue}' is none of employees. Set it to employee:<backend>, for example employee:ollama.");

    [Fact]
    public void OfQueue_QueueOfABackend_IsThatBackend() =>
        EmployeeBackends.Names.ShouldAllBe(n => EmployeeBackends.OfQueue(EmployeeBackends.QueueOf(n)) == n);

    [Fact]
    public void Adapter_EveryName_HasItsBackend()
    {
        var backends = With(_ => { });
        EmployeeBackends.Names.Select(n => backends.Adapter(n).Backend).ShouldBe(EmployeeBackends.Names);
    }

    [Theory]
    [InlineData("127.0.0.1", "http://127.0.0.1:11434")]
    [InlineData("gpu:8080", "http://gpu:8080")]
    [InlineData(":8080", "http://127.0.0.1:8080")]
    [InlineData("0.0.0.0", "http://127.0.0.1:11434")]
    [InlineData("[::1]", "http://[::1]:11434")]
    [InlineData("[::1]:99", "http://[::1]:99")]
    [InlineData("http://gpu", "http://gpu")]
    [InlineData("https://gpu/ollama/", "https://gpu/ollama")]
    [InlineData("http://gpu:1/v1/", "http://gpu:1")]
    [InlineData("ftp://gpu", null)]
    [InlineData("http://", null)]
    public void OllamaUrl_Host_IsReadAsOllamaDoes(string host, string? expected) =>
        (EmployeeBackends.OllamaUrl(host)?.AbsoluteUri.TrimEnd('/')).ShouldBe(expected);
}
