using System.Security.Cryptography;

namespace Aura.Orchestra;

/// <summary>The organisation's names: <c>prd-xxxxxxxx</c>, <c>job-xxxxxxxx</c> and, for an attempt's sandbox, <c>job-xxxxxxxx-a2</c>.</summary>
public static class Ids
{
    // No i, l, o, u, 0, 1: ids are read aloud and typed by people.
    private const string Alphabet = "abcdefghjkmnpqrstvwxyz23456789";

    /// <summary>A new PRD id, random.</summary>
    public static string NewPrd() => "prd-" + RandomNumberGenerator.GetString(Alphabet, 8);

    /// <summary>A new job id, random.</summary>
    public static string NewJob() => "job-" + RandomNumberGenerator.GetString(Alphabet, 8);

    /// <summary>The sandbox of one attempt of a job, for example <c>job-2m4kq7wz-a1</c>.</summary>
    public static string Sandbox(string jobId, int attempt)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempt, 1);
        return IsJob(jobId) ? $"{jobId}-a{attempt}" : throw new ArgumentException($"'{jobId}' is not a job id.", nameof(jobId));
    }

    /// <summary>Whether the text has the shape of a PRD id.</summary>
    public static bool IsPrd(string? text) => Is(text, "prd-");

    /// <summary>Whether the text has the shape of a job id.</summary>
    public static bool IsJob(string? text) => Is(text, "job-");

    private static bool Is(string? text, string prefix) =>
        text is { Length: 12 } && text.StartsWith(prefix, StringComparison.Ordinal) && !text.AsSpan(4).ContainsAnyExcept(Alphabet);
}
