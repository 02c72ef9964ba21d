using System.Globalization;

namespace Aura.Orchestra.Validation;

/// <summary>
/// A control group that bounds the memory of a whole process tree. Version 2 where the group's parent hands the memory
/// controller down, version 1 where that is mounted and writable; else there is none and the caller falls back.
/// </summary>
internal sealed class MemoryGroup : IAsyncDisposable
{
    private const string Mount = "/sys/fs/cgroup";
    private const string Prefix = "aura-jail-";
    private readonly string _directory;
    private readonly bool _version2;
    private readonly TimeProvider _time;

    private MemoryGroup(string directory, bool version2, TimeProvider time) => (_directory, _version2, _time) = (directory, version2, time);

    /// <summary>A process that writes its id here is in the group, and so is everything it starts.</summary>
    public string ProcessFile => Path.Combine(_directory, "cgroup.procs");

    public static MemoryGroup? TryCreate(long bytes, TimeProvider time)
    {
        var name = $"{Prefix}{Environment.ProcessId}-{Guid.NewGuid():N}";
        foreach (var (parent, version2) in Parents())
        {
            var directory = Path.Combine(parent, name);
            try
            {
                RemoveLeftOvers(parent);
                Directory.CreateDirectory(directory);
                var limit = Path.Combine(directory, version2 ? "memory.max" : "memory.limit_in_bytes");
                if (File.Exists(limit))
                {
                    File.WriteAllText(limit, bytes.ToString(CultureInfo.InvariantCulture));
                    var swap = Path.Combine(directory, version2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
                    if (File.Exists(swap))
                        File.WriteAllText(swap, version2 ? "0" : bytes.ToString(CultureInfo.InvariantCulture));
                    return new(directory, version2, time);
                }

                Directory.Delete(directory);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not writable for us, or not handed down: the next place, or no group at all.
                TryDelete(directory);
            }
        }

        return null;
    }

    /// <summary>True when the kernel killed a process of the group for want of memory.</summary>
    public bool WasExceeded()
    {
        try
        {
            return File.ReadLines(Path.Combine(_directory, _version2 ? "memory.events" : "memory.oom_control"))
                .Select(line => line.Split(' '))
                .Any(f => f is ["oom_kill", var count] && count != "0");
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Removes the group. It refuses to go while a killed process is still dying, so this waits for that.</summary>
    public async ValueTask DisposeAsync()
    {
        for (var i = 0; i < 100 && !TryDelete(_directory); i++)
            await Task.Delay(TimeSpan.FromMilliseconds(10), _time);
    }

    private static IEnumerable<(string Parent, bool Version2)> Parents()
    {
        if (!File.Exists("/proc/self/cgroup"))
            yield break;
        foreach (var line in File.ReadAllLines("/proc/self/cgroup").Select(l => l.Split(':', 3)).Where(f => f.Length == 3))
        {
            if (line[1].Length == 0 && File.Exists(Path.Combine(Mount, "cgroup.controllers")))
            {
                // A group with processes may not hand controllers down; its parent may, where that is ours.
                var own = Path.Join(Mount, line[2]);
                yield return (own, true);
                if (own.Length > Mount.Length + 1)
                    yield return (Path.GetDirectoryName(own)!, true);
            }
            else if (line[1].Split(',').Contains("memory"))
            {
                yield return (Path.Join(Mount, "memory", line[2]), false);
                yield return (Path.Combine(Mount, "memory"), false);
            }
        }
    }

    private static void RemoveLeftOvers(string parent)
    {
        if (!Directory.Exists(parent))
            throw new DirectoryNotFoundException(parent);
        foreach (var directory in Directory.EnumerateDirectories(parent, Prefix + "*"))
        {
            if (int.TryParse(Path.GetFileName(directory).Split('-')[2], out var owner) && !Directory.Exists($"/proc/{owner}"))
                TryDelete(directory);
        }
    }

    private static bool TryDelete(string directory)
    {
        try
        {
            // rmdir: the files of a control group are not there to be deleted one by one.
            Directory.Delete(directory);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
