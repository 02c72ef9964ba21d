namespace Aura.Workflows;

/// <summary>A signal on its way from an activity up through those that hold it.</summary>
internal sealed class SignalContext(object signal, ActivityExecutionContext sender)
{
    public object Signal { get; } = signal;
    public ActivityExecutionContext Sender { get; } = sender;
    public bool IsStopped { get; private set; }

    public void StopPropagation() => IsStopped = true;
}

/// <summary>An activity that wants to see the signals of what it holds (and its own).</summary>
internal interface ISignalHandler
{
    /// <param name="context">The handler's own run.</param>
    ValueTask ReceiveSignalAsync(ActivityExecutionContext context, SignalContext signal);
}

/// <summary>Ends the nearest loop.</summary>
internal sealed record BreakSignal;

/// <summary>Completes the nearest composite, with outcomes when it has any.</summary>
internal sealed record CompleteCompositeSignal(object? Value = null);

internal static class Signals
{
    /// <summary>Lets a signal bubble from the sender itself to the root, until a handler stops it.</summary>
    /// <returns>The run that stopped it; null when it went past the root.</returns>
    public static async ValueTask<ActivityExecutionContext?> SendSignalAsync(this ActivityExecutionContext sender, object signal)
    {
        var travelling = new SignalContext(signal, sender);
        for (var receiver = sender; receiver is not null; receiver = receiver.ParentActivityExecutionContext)
        {
            if (receiver.Activity is ISignalHandler handler)
                await handler.ReceiveSignalAsync(receiver, travelling);
            if (travelling.IsStopped)
                return receiver;
        }

        return null;
    }
}
