using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aura.Orchestra.Storage;

namespace Aura.Orchestra.Employees.Ledger;

/// <summary>What models cost, from a versioned JSON file. A model that is not in it costs null, never nothing.</summary>
public sealed partial class PriceTable
{
    private const string AnyModel = "*";
    private readonly IReadOnlyList<Provider> _providers;

    private PriceTable(string version, string currency, IReadOnlyList<Provider> providers) =>
        (Version, Currency, _providers) = (version, currency, providers);

    /// <summary>Stands in the ledger beside each cost.</summary>
    public string Version { get; }
    public string Currency { get; }

    /// <summary>The table that comes with Aura.</summary>
    public static PriceTable BuiltIn()
    {
        using var stream = typeof(PriceTable).Assembly.GetManifestResourceStream("Aura.Orchestra.prices.json")
            ?? throw new InvalidOperationException("prices.json is not embedded.");
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd(), "prices.json", out var errors) ?? throw new InvalidOperationException(string.Join(' ', errors));
    }

    /// <summary>The cost of one call, in <see cref="Currency"/>; null when the model or the host is not in the table.</summary>
    public decimal? CostOf(string backend, Uri? endpoint, string model, EmployeeUsage usage)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(usage);
        var provider = _providers.FirstOrDefault(p => p.Backend == backend && (p.Host is null || p.Host == endpoint?.Host));
        if (provider is null)
            return null;
        var prices =
            provider.Models.GetValueOrDefault(model) ?? provider.Models.GetValueOrDefault(Undated()
            .Replace(model, "")) ?? provider.Models.GetValueOrDefault(AnyModel);
        var price = prices?.Where(p => usage.Prompt > p.Above || p.Above == 0).MaxBy(p => p.Above);
        if (price is null)
            return null;
        var cached = Math.Min(usage.Cached, usage.Prompt);
        return (((usage.Prompt - cached) * price.Prompt) + (cached * price.Cached) + (usage.Completion * price.Completion)) / 1_000_000m;
    }

    /// <summary>Reads a table. Null means that <paramref name="errors"/> says why: each names the file and the place in it.</summary>
    public static PriceTable? Parse(string text, string file, out IReadOnlyList<string> errors) => new Reader(file).Parse(text, out errors);

    // gpt-5-mini-2025-08-07 costs what gpt-5-mini costs.
    [GeneratedRegex(@"-\d{4}-\d{2}-\d{2}$", RegexOptions.NonBacktracking)]
    private static partial Regex Undated();

    private sealed record Provider(string Backend, string? Host, IReadOnlyDictionary<string, IReadOnlyList<Price>> Models);

    /// <summary>Per million tokens.</summary>
    private sealed record Price(long Above, decimal Prompt, decimal Cached, decimal Completion);

    private sealed class Reader(string file) : HandWrittenJson<PriceTable>(file)
    {
        protected override PriceTable Read(JsonElement root)
        {
            var providers = new List<Provider>();
            foreach (var (provider, path) in Items(root, "$", "providers"))
            {
                var models = new Dictionary<string, IReadOnlyList<Price>>(StringComparer.Ordinal);
                if (provider.ValueKind == JsonValueKind.Object && provider.TryGetProperty("models", out var named)
                    && named.ValueKind == JsonValueKind.Object)
                {
                    foreach (var model in named.EnumerateObject())
                        models[model.Name] = [.. Items(named, $"{path}.models", model.Name).Select(p => PriceOf(p.Item, p.Path))];
                }
                else
                {
                    Error($"{path}.models", "must be an object with a list of prices for each model");
                }

                providers.Add(new(Required(provider, path, "backend"), Optional(provider, "host"), models));
            }

            return new(Required(root, "$", "version"), Required(root, "$", "currency"), providers);
        }

        private Price PriceOf(JsonElement price, string path) => new(
            (long)Number(price, path, "prompt_above", 0), Number(price, path, "prompt", null), Number(price, path, "cached", null),
                Number(price, path, "completion", null));

        private IEnumerable<(JsonElement Item, string Path)> Items(JsonElement parent, string path, string name)
        {
            if (parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var list) && list.ValueKind == JsonValueKind.Array
                && list.GetArrayLength() > 0)
                return [.. list.EnumerateArray().Select((item, i) => (item, $"{path}.{name}[{i.ToString(CultureInfo.InvariantCulture)}]"))];
            Error($"{path}.{name}", "must be a list with at least one entry");
            return [];
        }

        private decimal Number(JsonElement element, string path, string name, decimal? fallback)
        {
            if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value))
            {
                if (value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number) && number is >= 0 and <= 1_000_000_000)
                    return number;
            }
            else if (fallback is { } given)
            {
                return given;
            }

            Error($"{path}.{name}", "must be a number that is not negative");
            return 0;
        }

        private string Required(JsonElement element, string path, string name)
        {
            if (Optional(element, name) is { Length: > 0 } text)
                return text;
            Error($"{path}.{name}", "must be a text that is not empty");
            return "";
        }

        private static string? Optional(JsonElement element, string name) =>
            element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString() : null;
    }
}
