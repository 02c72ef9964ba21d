namespace Aura.Orchestra.Employees.Chat;

/// <summary>How long to wait before asking again. Pure: chance comes in as a value.</summary>
internal static class Backoff
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);

    /// <param name="retry">From 0.</param>
    /// <param name="asked">What the server asked for; obeyed up to <paramref name="longest"/>: a job's time is worth more than an hour's
    /// wait.</param>
    /// <param name="longest">Of any wait.</param>
    /// <param name="roll">Uniform in [0, 1): spreads those who failed together.</param>
    public static TimeSpan Before(int retry, TimeSpan? asked, TimeSpan longest, double roll)
    {
        var doubled = First * Math.Pow(2, Math.Min(retry, 16));
        var wait = doubled * (0.5 + (roll / 2));
        if (asked is { } least && least > wait)
            wait = least * (1 + (roll / 10));
        return wait < longest ? wait : longest;
    }
}
