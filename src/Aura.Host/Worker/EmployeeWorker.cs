using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Host.Api;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Storage;

namespace Aura.Host.Worker;

/// <summary>What one round of a worker came to.</summary>
internal enum WorkerRound
{
    /// <summary>There was no work, or nobody to ask for it.</summary>
    Nothing,

    Submitted,

    /// <summary>The lease was lost or the job ended; what was done is discarded.</summary>
    Lost,

    /// <summary>The worker stops; the job was handed back.</summary>
    HandedBack,
}

/// <summary>
/// An employee in a process of its own. It knows the manager's API and the MCP service and nothing else: no database, no file of a sandbox.
/// </summary>
internal sealed partial class EmployeeWorker(
    WorkerOptions options, EmployeeBackends backends, CollectedCalls calls, WorkerHttp manager, WorkerHttp mcp, TimeProvider time, ILogger<EmployeeWorker> logger)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Pauses _pauses = new(options.LongestPause);
    private IReadOnlyList<string> _registered = [];

    /// <summary>Works until it is told to stop, or after one job when that was asked for.</summary>
    /// <exception cref="WorkerRefusedException">The manager does not let this worker in; trying again cannot help.</exception>
    public async Task<WorkerRound> RunAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var round = await RunOnceAsync(stop);
                if (round != WorkerRound.Nothing && options.Once)
                    return round;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
        }

        return WorkerRound.Nothing;
    }

    private async Task<WorkerRound> RunOnceAsync(CancellationToken stop)
    {
        // Looked at each time: a backend that is away is not served, and is again when it is back.
        var status = await backends.CheckAsync(options.Backend, stop);
        if (!status.IsAvailable)
        {
            LogBackendAway(logger, options.Backend, status.Detail);
            _registered = [];
            await Task.Delay(_pauses.Next(), time, stop);
            return WorkerRound.Nothing;
        }

        IReadOnlyList<string> models = options.Model is { } only ? [only] : status.Models;
        if (!models.SequenceEqual(_registered) && !await RegisterAsync(status, models, stop))
            return WorkerRound.Nothing;
        var answer = await PostAsync(
            "/jobs/claim", new { worker = options.Name, backend = options.Backend, models, wait_seconds = (int)options.ClaimWait.TotalSeconds },
            options.ClaimWait + Limit, stop);
        if (answer.Status == 204)
        {
            _pauses.Reset();
            return WorkerRound.Nothing;
        }

        if (!answer.IsGood)
        {
            // 404: the manager has another database now.
            if (answer.Status == 404)
                _registered = [];
            await AwayAsync(answer, stop);
            return WorkerRound.Nothing;
        }

        _pauses.Reset();
        return await WorkAsync(answer.Body.Deserialize<JobAssignment>(AuraApi.Json)!, stop);
    }

    private async Task<bool> RegisterAsync(BackendStatus status, IReadOnlyList<string> models, CancellationToken stop)
    {
        foreach (var model in models)
        {
            var answer = await PostAsync(
                $"/models/{Uri.EscapeDataString(model)}/register",
                new { backend = options.Backend, kind = status.Kind, endpoint = status.Endpoint?.ToString(), capabilities = (string[])["tools"], worker = options.Name },
                Limit, stop);
            if (!answer.IsGood)
            {
                await AwayAsync(answer, stop);
                return false;
            }
        }

        _registered = models;
        LogRegistered(logger, options.Name, options.Backend, string.Join(", ", models), options.Manager);
        return true;
    }

    private async Task<WorkerRound> WorkAsync(JobAssignment job, CancellationToken stop)
    {
        calls.Take();
        LogClaimed(logger, job.JobId, job.Attempt, job.Delivery, job.Model);
        using var lost = new CancellationTokenSource();
        using var done = new CancellationTokenSource();
        using var work = CancellationTokenSource.CreateLinkedTokenSource(lost.Token, stop);
        var held = HoldAsync(job, lost, done.Token);
        try
        {
            var tools = new HttpTools(mcp, job.JobToken, job.SandboxId, lost.Cancel, time);
            var working = backends.Adapter(job.Backend).WorkAsync(job.Request, tools, work.Token);
            // An employee that does not listen is left behind; its process tree ends with this process.
            await Task.WhenAny(working, StoppedAsync(work.Token));
            if (!working.IsCompleted)
                await Task.WhenAny(working, Task.Delay(options.StopTimeout, time, CancellationToken.None));
            if (work.IsCancellationRequested)
                return await GiveUpAsync(job, lost.IsCancellationRequested, working);
            return await SubmitAsync(job, await working, lost.Token);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            return await GiveUpAsync(job, isLost: true, Task.CompletedTask);
        }
        finally
        {
            await done.CancelAsync();
            await held;
        }
    }

    /// <summary>Says that the work goes on, as often as the manager wants; when that cannot be said for as long as the lease lasts, it is lost.</summary>
    private async Task HoldAsync(JobAssignment job, CancellationTokenSource lost, CancellationToken done)
    {
        var pause = TimeSpan.FromSeconds(Math.Max(0.2, job.HeartbeatSeconds));
        var lease = TimeSpan.FromSeconds(job.LeaseSeconds);
        var good = time.GetTimestamp();
        try
        {
            while (true)
            {
                await Task.Delay(pause, time, done);
                // The manager counts from when it was heard; counting from before is on the safe side.
                var asked = time.GetTimestamp();
                var answer = await PostAsync($"/jobs/{job.JobId}/heartbeat", new { lease = job.Lease }, pause, done);
                if (answer.IsGood)
                {
                    good = asked;
                    continue;
                }

                if (answer.MayPass && time.GetElapsedTime(good) + pause < lease)
                {
                    LogHeartbeatFailed(logger, job.JobId, answer.ToString());
                    continue;
                }

                LogLost(logger, job.JobId, job.Attempt, answer.ToString());
                await lost.CancelAsync();
                return;
            }
        }
        catch (OperationCanceledException)
        {
            // The work has ended.
        }
    }

    /// <summary>Hands the result in, again and again while the manager is away and the lease may still be good: the same one counts once.</summary>
    private async Task<WorkerRound> SubmitAsync(JobAssignment job, EmployeeResult result, CancellationToken lost)
    {
        // What no text may hold would be refused with all the rest.
        var said = JsonNode.Parse(StorableText.Json(result))!.AsObject();
        said.Remove("has_submission");
        said.Remove("is_transient");
        said["finish_reason"] = result.FinishReason.ToString();
        var body = new JsonObject { ["lease"] = job.Lease, ["result"] = said, ["calls"] = JsonSerializer.SerializeToNode(calls.Take(), AuraApi.Json) }.ToJsonString();
        _pauses.Reset();
        while (true)
        {
            // Not ended by a stop: the work is done, and handing it in takes a moment.
            var answer = await manager.SendAsync(HttpMethod.Post, $"/jobs/{job.JobId}/submit", body, options.Key, TimeSpan.FromMinutes(2), lost);
            if (answer.IsGood)
            {
                _pauses.Reset();
                LogSubmitted(logger, job.JobId, job.Attempt, result.FinishReason.ToString());
                return WorkerRound.Submitted;
            }

            if (!answer.MayPass)
            {
                LogLost(logger, job.JobId, job.Attempt, answer.ToString());
                return WorkerRound.Lost;
            }

            LogAway(logger, answer.ToString());
            await Task.Delay(_pauses.Next(), time, lost);
        }
    }

    private async Task<WorkerRound> GiveUpAsync(JobAssignment job, bool isLost, Task working)
    {
        // Whatever it still says, nobody listens.
        _ = working.ContinueWith(t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        if (isLost)
        {
            LogDiscarded(logger, job.JobId, job.Attempt);
            return WorkerRound.Lost;
        }

        var answer = await PostAsync($"/jobs/{job.JobId}/release", new { lease = job.Lease }, TimeSpan.FromSeconds(5), CancellationToken.None);
        LogHandedBack(logger, job.JobId, job.Attempt, answer.IsGood ? "at once" : $"when its lease runs out ({answer})");
        return WorkerRound.HandedBack;
    }

    private async Task AwayAsync(HttpAnswer answer, CancellationToken stop)
    {
        if (answer.Status is 401 or 403)
        {
            throw new WorkerRefusedException(
                $"The manager at {options.Manager} does not let this worker in: {answer}. Set AURA_WORKER_KEY to the manager's workers' key.");
        }

        if (!answer.MayPass && answer.Status != 404)
            throw new WorkerRefusedException($"The manager at {options.Manager} refuses what this worker asks for: {answer}.");
        LogAway(logger, answer.ToString());
        await Task.Delay(_pauses.Next(), time, stop);
    }

    private Task<HttpAnswer> PostAsync<T>(string path, T body, TimeSpan limit, CancellationToken cancellationToken) =>
        manager.SendAsync(HttpMethod.Post, path, JsonSerializer.Serialize(body), options.Key, limit, cancellationToken);

    private static async Task StoppedAsync(CancellationToken token)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = token.Register(() => stopped.TrySetResult());
        await stopped.Task;
    }

    [LoggerMessage(2101, LogLevel.Information, "Worker {Worker} serves {Backend} with {Models} to {Manager}.")]
    private static partial void LogRegistered(ILogger logger, string worker, string backend, string models, Uri manager);

    [LoggerMessage(2102, LogLevel.Information, "Claimed {Job}, attempt {Attempt}, delivery {Delivery}, for {Model}.")]
    private static partial void LogClaimed(ILogger logger, string job, int attempt, int delivery, string model);

    [LoggerMessage(2103, LogLevel.Information, "Submitted {Job}, attempt {Attempt}: {Finish}.")]
    private static partial void LogSubmitted(ILogger logger, string job, int attempt, string finish);

    [LoggerMessage(2104, LogLevel.Warning, "{Job}, attempt {Attempt}, is lost: {Why}")]
    private static partial void LogLost(ILogger logger, string job, int attempt, string why);

    [LoggerMessage(2105, LogLevel.Warning, "{Job}, attempt {Attempt}: the work was stopped and its result discarded.")]
    private static partial void LogDiscarded(ILogger logger, string job, int attempt);

    [LoggerMessage(2106, LogLevel.Information, "{Job}, attempt {Attempt}, is handed back {When}.")]
    private static partial void LogHandedBack(ILogger logger, string job, int attempt, string when);

    [LoggerMessage(2107, LogLevel.Warning, "The manager is away; trying again. {Why}")]
    private static partial void LogAway(ILogger logger, string why);

    [LoggerMessage(2108, LogLevel.Warning, "A heartbeat of {Job} failed: {Why}")]
    private static partial void LogHeartbeatFailed(ILogger logger, string job, string why);

    [LoggerMessage(2109, LogLevel.Warning, "The backend {Backend} cannot be used now: {Why}")]
    private static partial void LogBackendAway(ILogger logger, string backend, string why);
}

/// <summary>The calls of models since it was last asked: they go to the ledger with the result.</summary>
internal sealed class CollectedCalls : IModelLedger
{
    private readonly ConcurrentQueue<ModelCall> _calls = new();

    public Task RecordAsync(ModelCall call, CancellationToken cancellationToken)
    {
        if (_calls.Count < WorkersApi.MaxCalls)
            _calls.Enqueue(call);
        return Task.CompletedTask;
    }

    public IReadOnlyList<ModelCall> Take()
    {
        var taken = new List<ModelCall>();
        while (_calls.TryDequeue(out var call))
            taken.Add(call);
        return taken;
    }
}

/// <summary>The manager does not take what this worker sends; a person must look.</summary>
internal sealed class WorkerRefusedException(string message) : Exception(message);
