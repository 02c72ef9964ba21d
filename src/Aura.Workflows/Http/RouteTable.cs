using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Template;

namespace Aura.Workflows.Http;

/// <summary>A template that fits a path. The lower the precedence, the more exactly it fits.</summary>
internal sealed record RouteMatch(string Template, decimal Precedence, RouteValueDictionary Values);

/// <summary>Finds the templates that fit a path, with ASP.NET's own grammar and precedence. Immutable.</summary>
internal sealed class RouteTable
{
    private const string NoLiteral = "";

    /// <summary>Null for a template that cannot be read, so that it is reported once.</summary>
    private readonly Dictionary<string, Entry?> _entries;
    private readonly ILookup<string, Entry> _byFirstSegment;

    private RouteTable(Dictionary<string, Entry?> entries)
    {
        _entries = entries;
        _byFirstSegment = entries.Values.OfType<Entry>().ToLookup(e => e.FirstSegment, StringComparer.OrdinalIgnoreCase);
    }

    public static RouteTable Empty { get; } = new([]);

    /// <summary>The same table when the templates are the same; compiled templates are kept.</summary>
    /// <param name="templates">Normalised templates.</param>
    /// <param name="constraints">Resolves inline constraints such as <c>{id:int}</c>.</param>
    /// <param name="onInvalid">Told of templates that cannot be read; they are left out.</param>
    public RouteTable With(IReadOnlyCollection<string> templates, IInlineConstraintResolver constraints, Action<string, Exception> onInvalid)
    {
        if (templates.Count == _entries.Count && templates.All(_entries.ContainsKey))
            return this;
        var entries = new Dictionary<string, Entry?>(StringComparer.Ordinal);
        foreach (var template in templates)
        {
            if (_entries.TryGetValue(template, out var known))
            {
                entries[template] = known;
                continue;
            }

            try
            {
                entries[template] = Entry.Compile(template, constraints);
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException or RouteCreationException)
            {
                entries[template] = null;
                onInvalid(template, e);
            }
        }

        return new(entries);
    }

    /// <summary>All templates that fit, the best first. Several may fit equally well.</summary>
    public IReadOnlyList<RouteMatch> Match(HttpContext context, PathString path)
    {
        var first = path.Value?.Split('/', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? NoLiteral;
        var candidates = first.Length == 0 ? _byFirstSegment[NoLiteral] : _byFirstSegment[first].Concat(_byFirstSegment[NoLiteral]);
        return [.. candidates.Select(e => e.Match(context, path)).OfType<RouteMatch>().OrderBy(m => m.Precedence)];
    }

    /// <summary>A path as a template without parameters; null when it cannot be one.</summary>
    public static RouteMatch? Literal(PathString path)
    {
        try
        {
            var template = HttpEndpointPayload.NormalisePath(path.Value);
            var parsed = TemplateParser.Parse(template);
            return parsed.Parameters.Count > 0 ? null : new(template, RoutePrecedence.ComputeInbound(parsed), []);
        }
        catch (ArgumentException)
        {
            // Longer than a path may be, or with characters that a template may not have.
            return null;
        }
    }

    /// <exception cref="ArgumentException">The template is not a route template.</exception>
    internal static void Check(string template) => _ = TemplateParser.Parse(template);

    private sealed class Entry
    {
        private readonly string _template;
        private readonly decimal _precedence;
        private readonly TemplateMatcher _matcher;
        private readonly List<(string Name, IRouteConstraint Constraint)> _constraints = [];

        private Entry(string template, RouteTemplate parsed)
        {
            _template = template;
            _precedence = RoutePrecedence.ComputeInbound(parsed);
            var defaults = new RouteValueDictionary();
            foreach (var parameter in parsed.Parameters.Where(p => p.DefaultValue is not null))
                defaults[parameter.Name!] = parameter.DefaultValue;
            _matcher = new(parsed, defaults);
            FirstSegment = parsed.Segments is [{ IsSimple: true, Parts: [{ IsLiteral: true, Text: { } text }] }, ..] ? text : NoLiteral;
        }

        /// <summary>The first segment when it is a literal, else empty.</summary>
        public string FirstSegment { get; }

        public static Entry Compile(string template, IInlineConstraintResolver constraints)
        {
            var parsed = TemplateParser.Parse(template);
            var entry = new Entry(template, parsed);
            foreach (var parameter in parsed.Parameters)
            {
                foreach (var inline in parameter.InlineConstraints)
                {
                    entry._constraints.Add((parameter.Name!, constraints.ResolveConstraint(inline.Constraint)
                        ?? throw new InvalidOperationException($"There is no route constraint '{inline.Constraint}'.")));
                }
            }

            return entry;
        }

        public RouteMatch? Match(HttpContext context, PathString path)
        {
            var values = new RouteValueDictionary();
            if (!_matcher.TryMatch(path, values))
                return null;
            foreach (var (name, constraint) in _constraints)
            {
                // An optional parameter that is not there breaks no constraint.
                if (values.ContainsKey(name) && !constraint.Match(context, route: null, name, values, RouteDirection.IncomingRequest))
                    return null;
            }

            return new(_template, _precedence, values);
        }
    }
}
