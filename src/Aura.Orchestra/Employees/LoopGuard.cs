namespace Aura.Orchestra.Employees;

internal enum LoopVerdict
{
    Goes,

    /// <summary>Tell it, once.</summary>
    Warn,
    Stop,
}

/// <summary>Notices an employee that goes in circles: the same call with the same answer again and again. Pure but for its memory.</summary>
internal sealed class LoopGuard(int limit)
{
    private readonly Dictionary<(string Tool, string Arguments), (string Answer, int Times)> _seen = [];

    public const string Warning =
        "[You have made this very call with this very answer several times. It will not change. Do something else, or hand in what you have; the next repeat ends the attempt.]";

    /// <summary>Judges a call by what came before.</summary>
    public LoopVerdict Judge(string tool, string arguments, ToolResult result)
    {
        var answer = $"{result.RefusalCode}\n{result.Text}";
        var times = _seen.TryGetValue((tool, arguments), out var before) && before.Answer == answer ? before.Times + 1 : 1;
        _seen[(tool, arguments)] = (answer, times);
        return times < limit ? LoopVerdict.Goes : times == limit ? LoopVerdict.Warn : LoopVerdict.Stop;
    }

    /// <summary>Something changed (a file, or what the model still has before it): to look again is no circle.</summary>
    /// <param name="call">The call that changed it, which is itself remembered; null for none.</param>
    public void Forget((string Tool, string Arguments)? call = null)
    {
        foreach (var other in _seen.Keys.Where(k => k != call).ToList())
            _seen.Remove(other);
    }
}
