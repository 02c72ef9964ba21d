using System.Security.Cryptography;
using System.Text;
using Aura.Host.Tests.Mcp;
using Aura.Host.Worker;
using Aura.Orchestra.Employees;
using Aura.Testing;

namespace Aura.Host.Tests.Worker;

/// <summary>What an employee on another machine gets to see of a large project: everything, through the tools alone.</summary>
public sealed class RemoteProjectTests(McpHost host, AimockServer server) : IClassFixture<McpHost>, IClassFixture<AimockServer>
{
    [Fact]
    public async Task CommandLineAgent_ManyFilesAndALongOne_WorksOnTheWholeProject()
    {
        var job = await host.JobAsync();
        var work = job.Sandbox.WorkDirectory;
        await FillAsync(work, 600);
        // Longer than what one answer of read_file holds, and without a newline at its end.
        var text = string.Concat(Enumerable.Range(1, 15_000).Select(i => $"line = {i}  # grün\n")) + "# the last line";
        Encoding.UTF8.GetByteCount(text).ShouldBeGreaterThan(300_000);
        await File.WriteAllTextAsync(Path.Combine(work, "long.py"), text);
        await File.WriteAllBytesAsync(Path.Combine(work, "data.bin"), [0, 159, 146, 150]);
        await File.WriteAllTextAsync(Path.Combine(work, "endless.txt"), new string('x', 300_000));

        var result = await AgentAsync(job, "inventory", host.Url);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.Explanation.ShouldContain(
            $"604 files; long.py {Encoding.UTF8.GetByteCount(text)} bytes, {Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}");
        result.Explanation.ShouldContain("not here: ['data.bin', 'endless.txt']");
        result.Output.ShouldContain("2 of 606 files are not in the agent's copy");
        (await File.ReadAllTextAsync(Path.Combine(work, "long.py"))).ShouldBe(text.Replace("# the last line", "# changed"));
    }

    [Theory]
    [InlineData(Loss.Cut)]
    [InlineData(Loss.Dropped)]
    public async Task CommandLineAgent_AnswerToItsPatchIsLost_IsTakenOnce(Loss loss)
    {
        var job = await host.JobAsync();
        await using var wire = await LossyWire.StartAsync(host.Url, loss, times: 1, "/mcp/apply_patch");

        var result = await AgentAsync(job, "appends", wire.Url);

        result.FinishReason.ShouldBe(EmployeeFinish.Completed, result.Output);
        result.Artifacts.ShouldBe(["app.py"]);
        (await File.ReadAllTextAsync(Path.Combine(job.Sandbox.WorkDirectory, "app.py"))).ShouldBe("def add(a, b):\n    return a - b\n# appended\n");
    }

    [Fact]
    public async Task CommandLineAgent_ServiceThatRefuses_DoesNotWorkOnAPartOfTheProject()
    {
        var job = await host.JobAsync();
        await host.ExecuteAsync($"DELETE FROM wf.tasks WHERE id = {job.Task}");

        var result = await AgentAsync(job, "inventory", host.Url);

        (result.FinishReason, result.HasSubmission).ShouldBe((EmployeeFinish.Unavailable, false), result.Output);
        result.Explanation.ShouldContain("could not be copied");
    }

    [Fact]
    public async Task Model_MoreFilesThanOnePage_IsToldOfAll()
    {
        var job = await host.JobAsync();
        await FillAsync(job.Sandbox.WorkDirectory, 2_100);

        await WorkAsync(server.Options(), "openai", job, "only-talks", host.Url);

        var prompt = (await server.RequestsAsync("only-talks"))[0].GetProperty("messages")[1].GetProperty("content").ToString();
        prompt.ShouldContain("2103 files, by folder:");
        prompt.ShouldContain("many/ 2100 files (2100 .txt)");
    }

    private static Task<EmployeeResult> WorkAsync(EmployeeOptions options, string backend, JobAtWork job, string model, string url)
    {
        var tools = new HttpTools(new WorkerHttp(new(url), TimeProvider.System), job.Token, job.Sandbox.Id, () => { }, TimeProvider.System);
        return new EmployeeBackends(options, TimeProvider.System).Adapter(backend).WorkAsync(
            new()
            {
                PrdId = "prd-aaaa2222",
                PrdTitle = "The PRD",
                JobId = job.JobId,
                Title = "The job",
                Attempt = 1,
                MaxAttempts = 3,
                ProjectName = "demo",
                Model = model,
            }, tools, CancellationToken.None);
    }

    private async Task<EmployeeResult> AgentAsync(JobAtWork job, string name, string url)
    {
        const UnixFileMode Everybody = (UnixFileMode)0b111_101_101;
        var folder = Directory.CreateTempSubdirectory("aura-agent-test-");
        try
        {
            var file = Path.Combine(folder.FullName, "agent.py");
            File.Copy(Repository.Path("tests", "fixtures", "agent.py"), file);
            File.SetUnixFileMode(file, Everybody);
            File.SetUnixFileMode(folder.FullName, Everybody);
            var options = new EmployeeOptions { Agents = [new() { Name = name, Command = file, Arguments = [name], Mounts = [folder.FullName] }] };
            options.AgentJail.SlotDirectory = Path.Combine(Path.GetTempPath(), "aura-test-agents");
            return await WorkAsync(options, "cli", job, name, url);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task FillAsync(string work, int files)
    {
        var folder = Directory.CreateDirectory(Path.Combine(work, "many")).FullName;
        for (var i = 0; i < files; i++)
            await File.WriteAllTextAsync(Path.Combine(folder, $"{i:0000}.txt"), $"{i}\n");
    }
}
