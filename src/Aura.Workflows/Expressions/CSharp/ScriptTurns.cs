using System.Threading.Channels;

namespace Aura.Workflows.Expressions.CSharp;

/// <summary>
/// Runs what a script does between its awaits, one turn after the other: an instance is never used by two threads at once.
/// When the token is cancelled there is no next turn, whatever the script waits for.
/// </summary>
internal sealed class ScriptTurns : SynchronizationContext
{
    private readonly Channel<(SendOrPostCallback Callback, object? State)> _turns =
        Channel.CreateUnbounded<(SendOrPostCallback, object?)>(new() { SingleReader = true });

    /// <exception cref="OperationCanceledException">The token was cancelled; the script's wait was given up.</exception>
    public static async Task<object?> RunAsync(Func<Task<object>> script, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var turns = new ScriptTurns();
        Task<object>? run = null;
        turns.Take(_ => run = script(), null);
        if (!run!.IsCompleted)
        {
            _ = run.ContinueWith(
                _ => turns._turns.Writer.TryComplete(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            await foreach (var (callback, state) in turns._turns.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                turns.Take(callback, state);
            }
        }

        return await run.ConfigureAwait(false);
    }

    // What comes after the script has ended was left behind by it: nobody waits for that.
    public override void Post(SendOrPostCallback d, object? state) => _turns.Writer.TryWrite((d, state));

    public override void Send(SendOrPostCallback d, object? state) =>
        throw new NotSupportedException("A script's turns cannot be waited for.");

    public override SynchronizationContext CreateCopy() => this;

    private void Take(SendOrPostCallback callback, object? state)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            callback(state);
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }
}
