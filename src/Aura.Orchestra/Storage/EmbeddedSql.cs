using System.Text;

namespace Aura.Orchestra.Storage;

/// <summary>A longer statement that lives in a <c>.sql</c> file beside its store.</summary>
internal static class EmbeddedSql
{
    public static string Read(string name)
    {
        var assembly = typeof(EmbeddedSql).Assembly;
        using var stream = assembly.GetManifestResourceStream($"{assembly.GetName().Name}.{name}")
            ?? throw new InvalidOperationException($"The statement '{name}' is not embedded in {assembly.GetName().Name}.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
