namespace Aura.Host.Cli;

/// <summary>The exit codes of every verb; they stand in <c>aura --help</c>.</summary>
internal static class ExitCodes
{
    public const int Ok = 0;
    public const int Failed = 1;
    public const int Usage = 2;
    public const int NotFound = 3;
    public const int Conflict = 4;
    public const int Unavailable = 69;
    public const int Interrupted = 130;
}

/// <summary>Ends a verb with a message on standard error and an exit code.</summary>
internal sealed class CliException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
