using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Storage;
using Aura.Testing;
using Npgsql;

namespace Aura.Orchestra.Tests.Storage;

/// <summary>Puts PRDs and jobs into the state a test starts from, by the same statements the product uses.</summary>
internal static class Seed
{
    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<string> PrdAsync(NpgsqlDataSource db, string project = "demo")
    {
        var id = Ids.NewPrd();
        await db.CommitAsync([
            PrdChanges.EnsureProject(project),
            PrdChanges.Insert(new NewPrd { Id = id, ProjectId = project, Title = "A title", CreatedBy = "director" }),
        ], Cancel);
        return id;
    }

    public static async Task<(string Prd, string[] Jobs)> PlannedAsync(NpgsqlDataSource db, params string[] keys)
    {
        var prd = await PrdAsync(db);
        var plan = keys.Select(k => new PlannedJob { Key = k, Title = "Job " + k }).ToArray();
        await db.CommitAsync([PrdChanges.Planned(prd), JobChanges.Insert(prd, plan), PrdChanges.Running(prd)], Cancel);
        return (prd, [.. plan.Select(j => j.Id)]);
    }

    public static async Task<(string Prd, string Job)> RunningJobAsync(NpgsqlDataSource db, string model = "m1")
    {
        var (prd, jobs) = await PlannedAsync(db, "a");
        await db.CommitAsync([ModelChanges.Ensure(model, "local", null, "scripted"), JobChanges.Assigned(jobs[0], model, 1),
            JobChanges.InProgress(jobs[0], 1)], Cancel);
        return (prd, jobs[0]);
    }

    public static async Task<string> AwaitingAsync(NpgsqlDataSource db, string diff = "diff", string hash = "h1")
    {
        var (prd, _) = await PlannedAsync(db, "a");
        await db.CommitAsync(PrdChanges.AwaitingApproval(prd, "c1", diff, hash, new(12, 2, 0), new(14, 0, 0)), Cancel);
        return prd;
    }

    public static async Task<IReadOnlyList<string>> EventTypesAsync(NpgsqlDataSource db, string prd) => await db.ReadAsync(
        "SELECT type FROM aura.job_events WHERE prd_id = $1 ORDER BY xid, id", r => r.GetString(0), [Statement.Text(prd)], Cancel);

    public static async Task<T> ScalarAsync<T>(NpgsqlDataSource db, string sql) => (await Queries.ScalarAsync<T>(db, sql))!;
}
