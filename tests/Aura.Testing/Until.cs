using System.Diagnostics;

namespace Aura.Testing;

/// <summary>Waits for a condition; the story comes with the failure.</summary>
public static class Until
{
    /// <param name="story">What to say when it did not come about in time.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, Func<string> story, int seconds = 120)
    {
        ArgumentNullException.ThrowIfNull(condition);
        ArgumentNullException.ThrowIfNull(story);
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            if (watch.Elapsed > TimeSpan.FromSeconds(seconds))
                throw new TimeoutException(story());
            await Task.Delay(20);
        }
    }

    /// <summary>Asks until the condition holds, and answers with what was found then.</summary>
    /// <param name="story">Says of the last answer why it is not the one that is waited for.</param>
    public static async Task<T> FoundAsync<T>(Func<Task<T>> ask, Func<T, bool> condition, Func<T, string> story, int seconds = 30)
    {
        ArgumentNullException.ThrowIfNull(ask);
        ArgumentNullException.ThrowIfNull(condition);
        ArgumentNullException.ThrowIfNull(story);
        var found = await ask();
        await TrueAsync(
            async () => condition(found) || condition(found = await ask()), () => story(found), seconds);
        return found;
    }
}
