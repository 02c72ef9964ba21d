using System.Runtime.CompilerServices;

namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>
/// Counts what one run uses. Steps are counted down in slices; at the end of a slice the clock and the token are looked at,
/// so that the common path is one subtraction. Work that is not a statement must be charged before it is done.
/// </summary>
internal sealed class Budget(ScriptLimits limits, TimeProvider time, CancellationToken cancellationToken)
{
    private const int Slice = 1000;
    private const int CharactersPerStep = 16;

    private readonly long _started = time.GetTimestamp();
    private long _stepsLeft = limits.MaxSteps;
    private long _bytesLeft = limits.MaxBytes;
    private long _slice;
    private int _depth;

    public CancellationToken CancellationToken => cancellationToken;

    public TimeProvider Time => time;

    public void Step(long count = 1)
    {
        if ((_slice -= count) < 0)
            EndSlice();
    }

    /// <summary>For work that grows with the length of a text.</summary>
    public void StepText(long characters) => Step(1 + (characters / CharactersPerStep));

    public void Allocate(long bytes)
    {
        if ((_bytesLeft -= bytes) < 0)
            throw new ScriptLimitException($"The script allocated more than {limits.MaxBytes} bytes.");
    }

    public void AllocateText(long characters)
    {
        StepText(characters);
        Allocate((2 * characters) + 24);
    }

    public void Enter()
    {
        Step();
        if (++_depth > limits.MaxDepth)
            throw new ScriptLimitException($"The script called functions more than {limits.MaxDepth} levels deep.");
        EnsureStack();
    }

    public void Leave() => _depth--;

    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ScriptLimitException("The script is nested too deeply for this thread's stack.");
    }

    /// <summary>Looks at the clock and the token now, whatever is left of the slice.</summary>
    public void Checkpoint()
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (time.GetElapsedTime(_started) > limits.Timeout)
            throw new ScriptLimitException($"The script ran longer than {limits.Timeout.TotalSeconds:0.###} seconds.");
    }

    /// <summary>What is left of the wall-clock time, never less than zero.</summary>
    public TimeSpan Remaining
    {
        get
        {
            var left = limits.Timeout - time.GetElapsedTime(_started);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    private void EndSlice()
    {
        // _slice is negative by what was charged beyond it; the first slice begins empty.
        _stepsLeft += _slice;
        if (_stepsLeft < 0)
            throw new ScriptLimitException($"The script took more than {limits.MaxSteps} steps.");
        _slice = Math.Min(Slice, _stepsLeft);
        _stepsLeft -= _slice;
        Checkpoint();
    }
}
