using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Aura.Orchestra.Tests.Storage;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Models;

public sealed class ModelStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly NpgsqlDataSource _db = database.DataSource;
    private readonly ModelStore _models = new(database.DataSource);

    [Fact]
    public async Task Ensure_KnownModel_IsBroughtUpToDateButStaysInactive()
    {
        (await _db.CommitAsync([ModelChanges.Ensure("q", "local", "http://a", "ollama"), ModelChanges.Ensure("q", "local", "http://a", "ollama"),
            ModelChanges.Active("q", false), ModelChanges.Ensure("q", "cloud", "http://b", "openai", "Q!")], Cancel)).ShouldBe([1, 0, 1, 1]);
        var model = (await _models.FindAsync("q", Cancel))!;
        (model.Kind, model.Endpoint, model.Backend, model.Display, model.IsActive).ShouldBe(("cloud", "http://b", "openai", "Q!", false));
        (await _models.ActiveOfBackendAsync("openai", Cancel)).ShouldBeEmpty();
        (await _models.FindAsync("none", Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Run_SameAttemptTwice_CountsOnce()
    {
        var (prd, job) = await RunningJobAsync(_db, "runner");
        (await _db.CommitAsync([ModelChanges.Run("runner", job, 1, false, 0.25, 0.9, new { why = "red" }),
            ModelChanges.Run("runner", job, 1, true, 1), ModelChanges.Run("runner", job, 2, true, 0.75)], Cancel)).ShouldBe([1, 0, 1]);
        var runs = await _models.RunsAsync(job, Cancel);
        runs.Select(r => (r.Model, r.Attempt, r.Success, r.Confidence, r.Score)).ShouldBe([("runner", 1, false, 0.9, 0.25), ("runner", 2, true, null, 0.75)]);
        runs[0].Details.GetProperty("why").GetString().ShouldBe("red");
        (await EventTypesAsync(_db, prd)).Count(t => t == "job.scored").ShouldBe(2);
        var model = (await _models.ActiveOfBackendAsync("scripted", Cancel)).Single(m => m.Name == "runner");
        (model.Runs, model.AverageScore).ShouldBe((2, 0.5));
    }

    [Fact]
    public async Task ActiveOfBackend_Any_GivesAllButTheScripted()
    {
        await _db.CommitAsync([ModelChanges.Ensure("any-1", "local", null, "ollama"), ModelChanges.Ensure("any-2", "cloud", null, "gemini"),
            ModelChanges.Ensure("any-3", "local", null, "scripted"), ModelChanges.Ensure("any-4", "cli", null, "cli"), ModelChanges.Active("any-4", false)], Cancel);

        (await _models.ActiveOfBackendAsync("any", Cancel)).Select(m => m.Name).Where(n => n.StartsWith("any-", StringComparison.Ordinal)).ShouldBe(["any-1", "any-2"]);
    }

    [Theory]
    [InlineData("--- a\n+++ b\n\\ No newline")]
    [InlineData("+nul\0nul\n")]
    [InlineData("")]
    public async Task Diff_AnyText_ReadsBackToTheCharacter(string diff)
    {
        var (_, job) = await RunningJobAsync(_db);
        (await _db.CommitAsync([ModelChanges.Diff("m1", job, 1, diff, "base"), ModelChanges.Diff("m1", job, 1, "second")], Cancel)).ShouldBe([1, 0]);
        (await _models.DiffAsync(job, 1, Cancel)).ShouldBe(new(job, 1, "m1", diff, "base"));
        (await _models.DiffsAsync(job, Cancel)).Count.ShouldBe(1);
        (await _models.DiffAsync(job, 2, Cancel)).ShouldBeNull();
    }

    [Fact]
    public async Task Artifact_OfAnyType_ReadsBack()
    {
        var (_, job) = await RunningJobAsync(_db);
        await _db.CommitAsync(ModelChanges.Artifact("m1", job, 1, ArtifactTypes.Result, new { Summary = "done" }), Cancel);
        (await _models.ArtifactAsync(job, 1, ArtifactTypes.Result, Cancel))!.Value.GetProperty("summary").GetString().ShouldBe("done");
        (await _models.ArtifactAsync(job, 1, ArtifactTypes.Docs, Cancel)).ShouldBeNull();
        await Should.ThrowAsync<PostgresException>(() => _db.CommitAsync(ModelChanges.Artifact("m1", job, 1, "song", new { }), Cancel));
    }

    [Fact]
    public async Task Score_OfAWindow_CountsItsPromotions()
    {
        await _db.CommitAsync(ModelChanges.Ensure("scored", "local", null, "scripted"), Cancel);
        var (start, end) = (DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddMinutes(5));
        (await _db.CommitAsync([ModelChanges.Promotion("scored", "promote", "0.9 over 5 runs"), ModelChanges.Score("scored", start, end, 0.8, 4),
            ModelChanges.Score("scored", start, end, 0.9, 5, 0.1)], Cancel)).ShouldBe([1, 1, 1]);
        (await ScalarAsync<string>(_db, """
            SELECT concat_ws(' ', avg_score, tasks_completed, promotions, penalties) FROM aura.model_scores s
            JOIN aura.models m ON m.id = s.model_id WHERE m.name = 'scored'
            """)).ShouldBe("0.9 5 1 0.1");
    }
}
