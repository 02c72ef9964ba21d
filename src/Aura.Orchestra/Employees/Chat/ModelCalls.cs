using System.Diagnostics;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Microsoft.Extensions.Logging;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>Who asks, for the ledger.</summary>
/// <param name="Purpose"><c>work</c> or <c>plan</c>.</param>
internal sealed record CallPurpose(string Purpose, string? PrdId, string? JobId, int? Attempt);

/// <summary>A model's answer, or why there is none.</summary>
internal sealed record ModelAnswer(ModelReply? Reply, EmployeeUsage Usage, decimal? Cost, EmployeeFinish Finish, string Problem);

/// <summary>Asks models: time limits on silence, retries, the ledger's row and the span of every call. Outcomes are values.</summary>
internal sealed partial class ModelCalls(EmployeeOptions options, PriceTable prices, SecretRedactor redactor, TimeProvider time,
    ILogger<ModelCalls> logger, IModelLedger? ledger)
{
    private static readonly TimeSpan LedgerTime = TimeSpan.FromSeconds(10);

    private readonly OpenAiWire _openAi = new();
    private readonly OllamaWire _ollama = new();

    /// <param name="endpoint">Where.</param>
    /// <param name="model">Whom.</param>
    /// <param name="question">What.</param>
    /// <param name="purpose">For whom.</param>
    /// <param name="log">Gets the answer's text as it comes.</param>
    /// <param name="cancellationToken">Ends the call at once.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled; the ledger has the call nevertheless.</exception>
    public async Task<ModelAnswer> AskAsync(
        ChatEndpoint endpoint, string model, ModelQuestion question, CallPurpose purpose, LiveLog? log, CancellationToken cancellationToken)
    {
        using var span = EmployeeTelemetry.Call(endpoint, model, question.MaxOutputTokens);
        var started = time.GetTimestamp();
        var startedAt = time.GetUtcNow();
        for (var retry = 0; ; retry++)
        {
            using var watch = new Watch(options, time, log, cancellationToken);
            WireFailure failure;
            try
            {
                var reply = await Wire(endpoint).AskAsync(endpoint, model, question, watch, watch.Token);
                var cost = reply.Usage is { } used ? prices.CostOf(endpoint.Backend, endpoint.BaseUrl, model, used) : null;
                await KeepAsync(
                    Row(reply.Finish, null) with { Usage = reply.Usage, Cost = cost, PriceTable = cost is null ? null : prices.Version }, reply);
                return new(reply, reply.Usage ?? EmployeeUsage.None, cost, EmployeeFinish.Completed, "");
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                await KeepAsync(Row("Cancelled", "cancelled"), null);
                throw;
            }
            catch (OperationCanceledException) when (watch.Token.IsCancellationRequested)
            {
                failure = WireFailure.Silence(endpoint, watch.Limit, watch.FirstPiece is not null);
            }
            // The edge to a foreign server; WireFailure sorts what came.
            catch (Exception e)
            {
                failure = WireFailure.Of(e, endpoint, model, time.GetUtcNow());
            }

            failure = failure with { Problem = redactor.CleanLog(failure.Problem) };
            if (!failure.MayRetry || retry >= options.MaxRetries)
            {
                await KeepAsync(Row(failure.Finish.ToString(), failure.Code), null);
                return new(null, EmployeeUsage.None, null, failure.Finish, failure.Problem);
            }

            // Chance only spreads the load; nothing depends on it.
            var wait = Backoff.Before(retry, failure.RetryAfter, options.MaxRetryDelay, Random.Shared.NextDouble());
            LogRetry(logger, endpoint.Backend, model, failure.Code, retry + 1, options.MaxRetries, wait);
            log?.Line($"[{failure.Code}: asking again in {wait.TotalSeconds:0.#} s]");
            try
            {
                await Task.Delay(wait, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                await KeepAsync(Row("Cancelled", "cancelled"), null);
                throw;
            }

            ModelCall Row(string finish, string? error) => new()
            {
                Purpose = purpose.Purpose,
                PrdId = purpose.PrdId,
                JobId = purpose.JobId,
                Attempt = purpose.Attempt,
                Backend = endpoint.Backend,
                Model = model,
                Latency = time.GetElapsedTime(started),
                FirstToken = watch.FirstPiece,
                Retries = retry,
                Finish = finish,
                ErrorCode = error,
                StartedAt = startedAt,
            };
        }

        async Task KeepAsync(ModelCall call, ModelReply? reply)
        {
            EmployeeTelemetry.End(span, endpoint, call, reply, options.CaptureContent ? (question, redactor.CleanLog) : null);
            await RecordAsync(call);
        }
    }

    /// <summary>Writes the ledger's row; a ledger that is away costs the row, not the work.</summary>
    public async Task RecordAsync(ModelCall call)
    {
        if (ledger is null)
            return;
        // Not the caller's token: what was spent is written down also when the attempt was cancelled.
        using var limit = new CancellationTokenSource(LedgerTime, time);
        try
        {
            await ledger.RecordAsync(call, limit.Token);
        }
        // Whatever keeps a ledger from writing (database, network, time) must not undo work that is done.
        catch (Exception e)
        {
            LogUnrecorded(logger, e, call.Backend, call.Model, call.JobId);
        }
    }

    private IModelWire Wire(ChatEndpoint endpoint) => endpoint.Backend == EmployeeBackends.Ollama ? _ollama : _openAi;

    [LoggerMessage(EventId = 3111, Level = LogLevel.Information,
        Message = "{Backend} {Model} failed ({Code}): retry {Retry} of {MaxRetries} in {Wait}")]
    private static partial void LogRetry(ILogger logger, string backend, string model, string code, int retry, int maxRetries, TimeSpan wait);

    [LoggerMessage(EventId = 3112, Level = LogLevel.Warning, Message = "The ledger could not keep a call of {Backend} {Model} for job {JobId}")]
    private static partial void LogUnrecorded(ILogger logger, Exception exception, string backend, string model, string? jobId);

    /// <summary>Ends a call that is silent for too long, or takes too long altogether, and remembers when it began to speak.</summary>
    private sealed class Watch : IAnswerWatch, IDisposable
    {
        private readonly EmployeeOptions _options;
        private readonly TimeProvider _time;
        private readonly LiveLog? _log;
        private readonly long _started;
        private readonly CancellationTokenSource _silence;
        private readonly CancellationTokenSource _whole;
        private readonly CancellationTokenSource _any;

        public Watch(EmployeeOptions options, TimeProvider time, LiveLog? log, CancellationToken cancellationToken)
        {
            (_options, _time, _log, _started) = (options, time, log, time.GetTimestamp());
            _silence = new(options.SilenceTimeout, time);
            _whole = new(options.RequestTimeout, time);
            _any = CancellationTokenSource.CreateLinkedTokenSource(_silence.Token, _whole.Token, cancellationToken);
        }

        public CancellationToken Token => _any.Token;

        public TimeSpan Limit => _silence.IsCancellationRequested ? _options.SilenceTimeout : _options.RequestTimeout;

        public TimeSpan? FirstPiece { get; private set; }

        public void Alive()
        {
            FirstPiece ??= _time.GetElapsedTime(_started);
            _silence.CancelAfter(_options.SilenceTimeout);
        }

        public void Piece(string text) => _log?.Piece(text);

        public void Dispose()
        {
            _any.Dispose();
            _whole.Dispose();
            _silence.Dispose();
        }
    }
}
