using System.Diagnostics;
using System.Text.Json;
using Aura.Testing;

namespace Aura.Host.Tests.EndToEnd;

/// <summary>The workflow library on the command line, against a real host and its database.</summary>
public sealed class WorkflowCommandTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    [Fact]
    public async Task Library_EditedOnBothSides_TellsEachStateAndLosesNothing()
    {
        await using var place = new Workplace();
        var folder = Folder(place);
        var file = Path.Combine(folder, "job-pipeline.json");
        await using var host = await ChildHost.StartAsync(place, database, ("AURA_WORKFLOWS", folder));
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline same 1/1, prd-pipeline same 1/1");

        // Nothing has changed: the same bytes.
        var before = await File.ReadAllTextAsync(file);
        (await RunAsync(place, folder, "workflows", "export", "--all")).Output.ShouldContain("unchanged");
        (await File.ReadAllTextAsync(file)).ShouldBe(before);
        (await RunAsync(place, folder, "workflows", "diff")).ExitCode.ShouldBe(0);

        // A person edits the file.
        await File.WriteAllTextAsync(file, before.Replace("Open the sandbox", "Open a sandbox").Replace("\"x\": 800", "\"x\": 810"));
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline file newer 1/1, prd-pipeline same 1/1");
        var diff = await RunAsync(place, folder, "workflows", "diff", "job-pipeline");
        diff.ExitCode.ShouldBe(1);
        diff.Output.ShouldContain("~ activity 'Open a sandbox' (open) in job");
        diff.Output.ShouldContain("displayText: Open the sandbox ⇒ Open a sandbox");
        diff.Output.ShouldContain("layout: activities moved or resized: 1, connections redrawn: 0");
        var export = await RunAsync(place, folder, "workflows", "export", "job-pipeline");
        export.ExitCode.ShouldBe(4);
        export.Error.ShouldContain("--force");
        (await File.ReadAllTextAsync(file)).ShouldContain("Open a sandbox");

        // As a draft, then published.
        (await RunAsync(place, folder, "workflows", "import", file)).Output.ShouldContain("draft, version 2");
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline same 2/1, prd-pipeline same 1/1");
        (await RunAsync(place, folder, "workflows", "import", "job-pipeline", "--publish")).Output.ShouldContain("published, version 2");
        (await RunAsync(place, folder, "workflows", "import", "--publish")).Output.ShouldContain("job-pipeline: unchanged, version 2");

        // Back to what version 1 had: the person knows version 2, so there is no conflict.
        await File.WriteAllTextAsync(file, before);
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline file newer 2/2, prd-pipeline same 1/1");
        (await RunAsync(place, folder, "workflows", "import", file)).Output.ShouldContain("draft, version 3");

        // Someone edits that draft in the database.
        await using (var edit = database.DataSource.CreateCommand(
            "UPDATE wf.definitions SET source_hash = NULL, content_hash = 'edited', name = 'Edited' WHERE definition_id = 'job-pipeline' AND is_latest"))
            await edit.ExecuteNonQueryAsync();
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline database edited 3/2, prd-pipeline same 1/1");
        (await RunAsync(place, folder, "workflows", "import", file)).Error.ShouldContain("holds what version 1 held");
        await File.WriteAllTextAsync(file, before.Replace("Open the sandbox", "Open it"));
        (await StatesAsync(place, folder)).ShouldBe("job-pipeline both edited 3/2, prd-pipeline same 1/1");
        var import = await RunAsync(place, folder, "workflows", "import", file);
        import.ExitCode.ShouldBe(4);
        import.Error.ShouldContain("Version 3 was edited in the database");
        (await RunAsync(place, folder, "workflows", "import", file, "--force", "--publish")).Output.ShouldContain("published, version 4");
        (await database.ScalarAsync<string>("SELECT content_hash FROM wf.definitions WHERE definition_id = 'job-pipeline' AND version = 3")).ShouldBe("edited");
    }

    [Fact]
    public async Task Validate_WithoutAHost_SaysWhatPublishingSays()
    {
        await using var place = new Workplace();
        var folder = Folder(place);
        var file = Path.Combine(folder, "job-pipeline.json");
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\"port\": \"Applied\"", "\"port\": \"Aplied\""));

        var offline = await RunAsync(place, folder, "workflows", "validate", "--json");

        offline.ExitCode.ShouldBe(1);
        var lines = offline.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<JsonElement>(l)).ToList();
        lines.Count.ShouldBe(2);
        lines[1].GetProperty("findings").GetArrayLength().ShouldBe(0);
        var messages = lines[0].GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("message").GetString()!).ToList();
        messages.ShouldContain(m => m.Contains("Aplied"));

        await using var host = await ChildHost.StartAsync(place, database);
        // Another test of this class may have left versions of its own.
        const string latest = "SELECT max(version) FROM wf.definitions WHERE definition_id = 'job-pipeline'";
        var before = await database.ScalarAsync<int>(latest);
        var asked = await RunAsync(place, folder, "workflows", "validate", file, "--manager", "--json");
        asked.ExitCode.ShouldBe(1);
        JsonSerializer.Deserialize<JsonElement>(asked.Output).GetProperty("findings").GetRawText().ShouldBe(lines[0].GetProperty("findings").GetRawText());
        var publish = await RunAsync(place, folder, "workflows", "import", file, "--publish");
        publish.ExitCode.ShouldBe(1);
        foreach (var finding in lines[0].GetProperty("findings").EnumerateArray().Where(f => f.GetProperty("severity").GetString() == "error"))
            publish.Error.ShouldContain(finding.GetProperty("message").GetString()!);
        (await database.ScalarAsync<int>(latest)).ShouldBe(before);
    }

    private static string Folder(Workplace place)
    {
        var folder = Directory.CreateDirectory(Path.Combine(place.Root, "files")).FullName;
        foreach (var file in Directory.EnumerateFiles(Repository.Path("workflows"), "*.json"))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return folder;
    }

    private async Task<string> StatesAsync(Workplace place, string folder)
    {
        var (_, output, error) = await RunAsync(place, folder, "workflows", "list", "--json");
        return string.Join(", ", JsonSerializer.Deserialize<JsonElement>(output.Length > 0 ? output : throw new InvalidOperationException(error))
            .GetProperty("items").EnumerateArray()
            .Select(i => $"{i.GetProperty("id")} {i.GetProperty("state")} {i.GetProperty("latest")}/{i.GetProperty("published")}"));
    }

    private Task<(int ExitCode, string Output, string Error)> RunAsync(Workplace place, string folder, params string[] arguments) =>
        place.RunAsync(database, [.. arguments, "--dir", folder]);
}
