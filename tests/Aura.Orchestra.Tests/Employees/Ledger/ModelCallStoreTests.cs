using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;
using Aura.Testing;
using Npgsql;
using static Aura.Orchestra.Tests.Storage.Seed;

namespace Aura.Orchestra.Tests.Employees.Ledger;

public sealed class ModelCallStoreTests(TestDatabase database) : IClassFixture<TestDatabase>
{
    private readonly ModelCallStore _store = new(database.DataSource);

    private static ModelCall Call(string model, string job = "job-aaaa2222") => new()
    {
        Purpose = "work",
        PrdId = "prd-aaaa2222",
        JobId = job,
        Attempt = 2,
        Backend = "openai",
        Model = model,
        Usage = new(100, 40, 7),
        Cost = 0.0123456789m,
        PriceTable = "2026-11-01",
        Latency = TimeSpan.FromMilliseconds(1234.567),
        FirstToken = TimeSpan.FromMilliseconds(150),
        Retries = 2,
        Finish = "stop",
        StartedAt = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
    };

    [Fact]
    public async Task Record_Calls_ReadBackAsTheyWere()
    {
        var failed =
            Call("m1") with
            {
                Purpose = "plan",
                JobId = null,
                Attempt = null,
                Usage = null,
                Cost = null,
                PriceTable = null,
                FirstToken = null,
                Finish = "Unavailable",
                ErrorCode = "503"
            };
        await _store.RecordAsync(Call("m1"), Cancel);
        await _store.RecordAsync(failed, Cancel);
        await _store.RecordAsync(Call("m2", "job-bbbb2222"), Cancel);

        var calls = await _store.OfModelAsync("m1", cancellationToken: Cancel);

        calls.Select(c => c.Call).ShouldBe([failed, Call("m1")]);
        (await _store.OfModelAsync("m1", before: calls[0].Id, cancellationToken: Cancel)).Select(c => c.Call).ShouldBe([Call("m1")]);
        (await _store.OfModelAsync("m1", limit: 1, cancellationToken: Cancel)).ShouldHaveSingleItem();
        (await _store.OfJobAsync("job-bbbb2222", Cancel)).ShouldHaveSingleItem().Call.Model.ShouldBe("m2");
    }

    [Fact]
    public async Task Record_NonsenseOrChange_IsRefusedByTheTable()
    {
        await Should.ThrowAsync<PostgresException>(() => _store.RecordAsync(Call("x") with { Cost = null }, Cancel));
        await Should.ThrowAsync<PostgresException>(() => _store.RecordAsync(Call("x") with { Attempt = null }, Cancel));
        await Should.ThrowAsync<PostgresException>(() => _store.RecordAsync(Call("x") with { Purpose = "play" }, Cancel));
        await _store.RecordAsync(Call("x"), Cancel);
        await using var change = database.DataSource.CreateCommand("UPDATE aura.model_calls SET cost = 0");
        (await Should.ThrowAsync<PostgresException>(() => change.ExecuteNonQueryAsync(Cancel))).MessageText.ShouldContain("rows are only ever added");
    }
}
