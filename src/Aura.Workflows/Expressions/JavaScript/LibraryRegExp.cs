using System.Text.RegularExpressions;

namespace Aura.Workflows.Expressions.JavaScript;

internal static class RegExpLibrary
{
    public static BuiltinType Type { get; } = new(Builtin.RegExp, "RegExp", 2, Construct, Library.WithConstructor(Builtin.RegExp, MakePrototype()));

    /// <summary>The array that <c>exec</c> and <c>match</c> return.</summary>
    public static JsArray ToResult(JsRegExp regExp, Match match, string text)
    {
        var result = new JsArray(regExp.Realm, match.Groups.Values.Select(GroupText));
        regExp.Realm.Budget.AllocateText(match.Groups.Values.Sum(g => (long)g.Length));
        result.Define("index", match.Index);
        result.Define("input", text);
        result.Define("groups", NamedGroups(regExp, match));
        return result;
    }

    public static JsValue GroupText(Group group) => group.Success ? group.Value : JsValue.Undefined;

    public static JsValue NamedGroups(JsRegExp regExp, Match match)
    {
        if (regExp.Pattern.Names.Count == 0)
            return default;
        var groups = new JsObject(regExp.Realm, null);
        foreach (var (name, number) in regExp.Pattern.Names)
            groups.Define(name, GroupText(match.Groups[number]));
        return groups;
    }

    private static LibraryTable MakePrototype()
    {
        var prototype = new LibraryTable
        {
            { "exec", 1, Execute },
            { "test", 1, call => This(call).Next(call.Text(0)) is not null },
            { "toString", 0, call => This(call).ToString() },
            { "source", call => This(call).Pattern.Source.Length == 0 ? "(?:)" : This(call).Pattern.Source },
            { "flags", call => This(call).Pattern.Flags },
        };
        foreach (var name in new[] { "global", "ignoreCase", "multiline", "dotAll", "unicode", "sticky" })
            prototype.Add(name, call => This(call).Pattern.Has(name switch { "dotAll" => 's', "sticky" => 'y', _ => name[0] }));
        return prototype;
    }

    private static JsRegExp This(NativeCall call) => call.ThisAs<JsRegExp>("RegExp");

    private static JsValue Construct(NativeCall call)
    {
        var existing = call[0].As<JsRegExp>();
        var source = existing?.Pattern.Source ?? (call[0].IsUndefined ? "" : call.Text(0));
        var flags = call[1].IsUndefined ? existing?.Pattern.Flags ?? "" : call.Text(1);
        return call.Constructed(JsRegExp.Create(call.Realm, source, flags));
    }

    private static JsValue Execute(NativeCall call)
    {
        var (regExp, text) = (This(call), call.Text(0));
        return regExp.Next(text) is { } match ? ToResult(regExp, match, text) : JsValue.Null;
    }
}
