using System.Globalization;

namespace Aura.Workflows.Definitions;

/// <summary>Which versions of a definition are meant: flags, all, or one by its number.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
public readonly record struct VersionOptions
{
    private VersionOptions(Kind kind, int version)
    {
        Selected = kind;
        Version = version;
    }

    public static VersionOptions Latest => new(Kind.Latest, 0);
    public static VersionOptions Published => new(Kind.Published, 0);

    /// <summary>The latest, when it is not published.</summary>
    public static VersionOptions Draft => new(Kind.Draft, 0);

    public static VersionOptions LatestOrPublished => new(Kind.LatestOrPublished, 0);
    public static VersionOptions LatestAndPublished => new(Kind.LatestAndPublished, 0);
    public static VersionOptions AllVersions => new(Kind.AllVersions, 0);

    /// <summary>Set when one version is meant.</summary>
    public int Version { get; }

    private Kind Selected { get; }

    public static VersionOptions SpecificVersion(int version) => new(Kind.Specific, version);

    /// <summary>Reads the texts of Elsa's API, without case; a number means that version.</summary>
    /// <exception cref="FormatException">None of them.</exception>
    public static VersionOptions Parse(string text) => TryParse(text, out var options)
        ? options
        : throw new FormatException(
            $"'{text}' selects no versions. Use Latest, Published, Draft, LatestOrPublished, LatestAndPublished, AllVersions or a version number.");

    public static bool TryParse(string? text, out VersionOptions options)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            options = SpecificVersion(version);
            return true;
        }

        var isName = Enum.TryParse<Kind>(text, ignoreCase: true, out var kind) && kind != Kind.Specific && Enum.IsDefined(kind);
        options = new(kind, 0);
        return isName;
    }

    public override string ToString() => Selected == Kind.Specific ? Version.ToString(CultureInfo.InvariantCulture) : Selected.ToString();

    /// <summary>The condition on <c>wf.definitions</c>; a version number is the parameter that <paramref name="parameter"/> adds.</summary>
    internal string Condition(Func<object, string> parameter) => Selected switch
    {
        Kind.Latest => "is_latest",
        Kind.Published => "is_published",
        Kind.Draft => "is_latest AND NOT is_published",
        Kind.LatestOrPublished => "(is_latest OR is_published)",
        Kind.LatestAndPublished => "is_latest AND is_published",
        Kind.AllVersions => "true",
        _ => $"version = {parameter(Version)}",
    };

    private enum Kind
    {
        Latest,
        Published,
        Draft,
        LatestOrPublished,
        LatestAndPublished,
        AllVersions,
        Specific,
    }
}
