using System.Collections;
using System.Text.RegularExpressions;

namespace Aura.Orchestra.Employees.Prompting;

/// <summary>Takes known secrets out of whatever leaves the process: prompts, protocols, logs, the ledger, spans.</summary>
public sealed partial class SecretRedactor
{
    private const string Hidden = "***";
    private const int ShortestSecret = 4;
    private readonly string[] _secrets;

    /// <param name="secrets">Their values; those shorter than four characters would blot out words and are left.</param>
    public SecretRedactor(IEnumerable<string?> secrets)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        // The longest first: one may hold another.
        _secrets =
            [.. secrets.OfType<string>().Where(s => s.Length >= ShortestSecret).Distinct(StringComparer.Ordinal).OrderByDescending(s => s.Length)];
    }

    /// <summary>The text without the known secrets. For prompts: a project's own text stays otherwise as it is.</summary>
    public string Clean(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var secret in _secrets)
            text = text.Replace(secret, Hidden, StringComparison.Ordinal);
        return text;
    }

    /// <summary>The text without the known secrets and without anything that looks like a key. For logs and protocols.</summary>
    public string CleanLog(string text) => KeyPattern().Replace(Clean(text), Hidden);

    /// <summary>The values of the environment's variables that by their names hold secrets.</summary>
    public static IReadOnlyList<string> SecretsOf(IDictionary environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        return [.. environment.Keys.OfType<string>().Where(n => SecretName().IsMatch(n)).Select(n => environment[n] as string).OfType<string>()
            .Where(IsTelling)];
    }

    // PASSWORD=postgres is a secret, too, but one whose removal would make every text about PostgreSQL unreadable.
    private static bool IsTelling(string value) => value.Length >= 16 || (value.Length >= 8 && value.Any(char.IsAsciiDigit));

    [GeneratedRegex("(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_?[0-9]+)?$",
        RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex SecretName();

    [GeneratedRegex(
        @"\b(sk-|sk_|ghp_|github_pat_|xox[abp]-|AIza|dk_|wk_)[A-Za-z0-9_*-]{6,}|\bey[A-Za-z0-9_-]{8,}\.ey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex KeyPattern();
}
