namespace Aura.Orchestra.Sandboxes;

/// <summary>The stable codes of a refusal; callers and prompts may rely on them.</summary>
public static class RefusalCodes
{
    /// <summary>The path is empty, absolute, leaves the sandbox or holds characters no path may hold.</summary>
    public const string OutsideSandbox = "outside_sandbox";

    /// <summary>The path is inside the sandbox but not covered by the job's allowed paths.</summary>
    public const string OutsideScope = "outside_scope";

    public const string Symlink = "symlink";
    public const string HardLink = "hard_link";
    public const string GitDirectory = "git_directory";
    public const string TooLarge = "too_large";
    public const string TooMany = "too_many";
    public const string NotFound = "not_found";
    public const string NotAFile = "not_a_file";
    public const string NotText = "not_text";
    public const string PatchRejected = "patch_rejected";
    public const string InvalidSandbox = "invalid_sandbox";
}

/// <summary>Why a sandbox did not do what it was asked. A value, never an exception: an employee reads it and goes on.</summary>
/// <param name="Code">One of <see cref="RefusalCodes"/>.</param>
/// <param name="Message">What was refused, where, and what to do instead.</param>
public sealed record Refusal(string Code, string Message);

/// <summary>Either a value or a refusal.</summary>
public sealed class SandboxResult<T>
{
    private readonly T? _value;

    private SandboxResult(T? value, Refusal? refusal) => (_value, Refusal) = (value, refusal);

    /// <summary>Null when the operation was done.</summary>
    public Refusal? Refusal { get; }

    public bool IsRefused => Refusal is not null;

    /// <exception cref="InvalidOperationException">The operation was refused; look at <see cref="Refusal"/> first.</exception>
    public T Value => Refusal is null ? _value! : throw new InvalidOperationException($"Refused ({Refusal.Code}): {Refusal.Message}");

    public static implicit operator SandboxResult<T>(T value) => new(value, null);

    public static implicit operator SandboxResult<T>(Refusal refusal) => new(default, refusal);

    /// <summary>For an interface-typed value, which has no implicit conversion.</summary>
    public static SandboxResult<T> Of(T value) => new(value, null);
}
