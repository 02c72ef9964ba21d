namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Parser
{
    /// <summary>Where a <c>{ a = 1 }</c> was read that has not turned out to be a pattern yet; -1 when there is none.</summary>
    private int _invalidCover = -1;

    private void CheckCover()
    {
        if (_invalidCover >= 0)
            throw Error("A default value stands in a pattern only; use ':' in an object", _invalidCover);
    }

    // Patterns that can be read as such: declarations, parameters, catch.

    private ExpressionSyntax ParseBindingTarget() => Nested<ExpressionSyntax>(() =>
    {
        var position = _token.Position;
        if (_token.Is("["))
            return ParseArrayBinding(position);
        if (_token.Is("{"))
            return ParseObjectBinding(position);
        return new IdentifierSyntax(position, TakeIdentifier("a name, '{' or '['"));
    });

    private ElementSyntax ParseBindingElement()
    {
        var target = ParseBindingTarget();
        return new(target, TryTake("=") ? Named(WithIn(true, ParseAssignment), target) : null);
    }

    private ArrayPatternSyntax ParseArrayBinding(int position)
    {
        Advance();
        ExpressionSyntax? rest = null;
        var elements = ParseList("]", () =>
        {
            if (rest is not null)
                throw Unexpected("']' after the rest element");
            if (_token.Is(","))
                return null;
            if (!TryTake("..."))
                return ParseBindingElement();
            rest = ParseBindingTarget();
            return null;
        });
        return new(position, rest is null ? elements : elements.GetRange(0, elements.Count - 1), rest);
    }

    private ObjectPatternSyntax ParseObjectBinding(int position)
    {
        Advance();
        ExpressionSyntax? rest = null;
        var properties = new List<(KeySyntax, ElementSyntax)>();
        ParseList("}", () =>
        {
            if (rest is not null)
                throw Unexpected("'}' after the rest element");
            if (TryTake("..."))
                rest = ParseBindingTarget();
            else
                properties.Add(ParseBindingProperty());
            return true;
        });
        return new(position, properties, rest);
    }

    private (KeySyntax Key, ElementSyntax Element) ParseBindingProperty()
    {
        var token = _token;
        var key = ParseKey();
        if (TryTake(":"))
            return (key, ParseBindingElement());
        if (token.Kind != TokenKind.Identifier)
            throw Unexpected("':' after the property's name");
        var target = new IdentifierSyntax(token.Position, token.Text);
        return (key, new(target, TryTake("=") ? Named(WithIn(true, ParseAssignment), target) : null));
    }

    // Patterns that were read as expressions: assignments, arrow parameters, heads of for loops.

    private ExpressionSyntax ToTarget(ExpressionSyntax expression, bool bindingsOnly = false) => expression switch
    {
        ArraySyntax array => ToArrayPattern(array, bindingsOnly),
        ObjectSyntax @object => ToObjectPattern(@object, bindingsOnly),
        ArrayPatternSyntax or ObjectPatternSyntax => expression,
        IdentifierSyntax when bindingsOnly => expression,
        _ when bindingsOnly => throw Error("Not a parameter's name or pattern", expression.Position),
        _ => ToSimpleTarget(expression),
    };

    private ExpressionSyntax ToBindingTarget(ExpressionSyntax expression) => ToTarget(expression, bindingsOnly: true);

    private ExpressionSyntax ToSimpleTarget(ExpressionSyntax expression) => expression switch
    {
        IdentifierSyntax { Name: "arguments" or "eval" } name => throw Error($"'{name.Name}' cannot be assigned to", name.Position),
        IdentifierSyntax or MemberSyntax => expression,
        ParenthesizedSyntax { Inner: IdentifierSyntax or MemberSyntax } parenthesized => ToSimpleTarget(parenthesized.Inner),
        _ => throw Error("Only a variable or a member can be assigned to", expression.Position),
    };

    private ElementSyntax ToElement(ExpressionSyntax expression, bool bindingsOnly) => expression is AssignmentSyntax { Operator: "" } assignment
        ? new(ToTarget(assignment.Target, bindingsOnly), assignment.Value)
        : new(ToTarget(expression, bindingsOnly), null);

    private ArrayPatternSyntax ToArrayPattern(ArraySyntax array, bool bindingsOnly)
    {
        var elements = new List<ElementSyntax?>();
        for (var i = 0; i < array.Elements.Count; i++)
        {
            if (array.Elements[i] is not SpreadSyntax spread)
                elements.Add(array.Elements[i] is { } element ? ToElement(element, bindingsOnly) : null);
            else if (i == array.Elements.Count - 1)
                return new(array.Position, elements, ToTarget(spread.Argument, bindingsOnly));
            else
                throw Error("The rest element must be the last", spread.Position);
        }

        return new(array.Position, elements, null);
    }

    private ObjectPatternSyntax ToObjectPattern(ObjectSyntax @object, bool bindingsOnly)
    {
        var properties = new List<(KeySyntax, ElementSyntax)>();
        foreach (var property in @object.Properties)
        {
            if (property.Kind == PropertyKind.Spread && ReferenceEquals(property, @object.Properties[^1]))
                return new(@object.Position, properties, ToTarget(property.Value, bindingsOnly));
            if (property.Kind is not (PropertyKind.Value or PropertyKind.ShorthandWithDefault))
                throw Error("Not part of a pattern", property.Position);
            properties.Add((property.Key, ToElement(property.Value, bindingsOnly)));
        }

        return new(@object.Position, properties, null);
    }

    /// <summary>Gives a function or class without a name that of the variable or property it is assigned to.</summary>
    private static ExpressionSyntax Named(ExpressionSyntax value, ExpressionSyntax target) => Named(value, (target as IdentifierSyntax)?.Name);

    private static ExpressionSyntax Named(ExpressionSyntax value, string? name) => value switch
    {
        FunctionSyntax { Name: "", Kind: FunctionKind.Ordinary or FunctionKind.Arrow } function when name is not null =>
            function with { Name = name, IsNamedByTarget = true },
        ClassSyntax { Name: "" } @class when name is not null => @class with { Name = name, IsNamedByTarget = true },
        _ => value,
    };

    /// <summary>The names that a pattern binds.</summary>
    internal static IEnumerable<string> BoundNames(ExpressionSyntax target) => target switch
    {
        IdentifierSyntax name => [name.Name],
        ArrayPatternSyntax array => array.Elements.SelectMany(e => e is null ? [] : BoundNames(e.Target)).Concat(RestNames(array.Rest)),
        ObjectPatternSyntax @object => @object.Properties.SelectMany(p => BoundNames(p.Element.Target)).Concat(RestNames(@object.Rest)),
        _ => [],
    };

    private static IEnumerable<string> RestNames(ExpressionSyntax? rest) => rest is null ? [] : BoundNames(rest);
}
