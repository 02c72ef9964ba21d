using System.Text.Json;
using Aura.Workflows.Definitions;

namespace Aura.Workflows.Activities;

/// <summary>An arrow of a flowchart. A null port follows default completion only.</summary>
public sealed record Connection(string Source, string? Port, string Target)
{
    // Written in code, an arrow is drawn before its ends have ids: they get them when the workflow is built.
    private readonly IActivity? _source;
    private readonly IActivity? _target;

    public Connection(IActivity source, IActivity target, string port = "Done")
        : this(new Endpoint(source, port), new Endpoint(target))
    {
    }

    public Connection(Endpoint source, Endpoint target)
        : this("", source?.Port ?? "Done", "")
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        _source = source.Activity;
        _target = target.Activity;
    }

    /// <summary>The id of the activity where it begins.</summary>
    public string Source
    {
        get => _source?.Id ?? field;
        init;
    } = Source;

    /// <summary>The id of the activity where it ends.</summary>
    public string Target
    {
        get => _target?.Id ?? field;
        init;
    } = Target;

    /// <summary>Reads both forms: {source:{activity,port},target:{activity}} and the old flat one. Null when an end is missing.</summary>
    internal static Connection? Read(JsonElement json)
    {
        var source = json.Member("source");
        var target = json.Member("target");
        if (source is { ValueKind: JsonValueKind.String } && target is { ValueKind: JsonValueKind.String })
            return new(source.Value.GetString()!, json.Text("sourcePort"), target.Value.GetString()!);
        var from = source?.Text("activity");
        var to = target?.Text("activity");
        return from is null || to is null ? null : new(from, source?.Text("port"), to);
    }
}

/// <summary>An end of an arrow, for workflows that are written in code.</summary>
public sealed record Endpoint(IActivity Activity, string? Port = null);
