namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    private Evaluate CompileBinary(BinarySyntax binary)
    {
        var (left, right, position) = (Compile(binary.Left), Compile(binary.Right), binary.Position);
        var apply = Operators.Of(binary.Operator);
        return frame =>
        {
            var a = left(frame);
            var b = right(frame);
            return a.IsNumber && b.IsNumber ? apply(frame.Realm, a, b) : apply(frame.Realm.At(position), a, b);
        };
    }

    private Evaluate CompileLogical(LogicalSyntax logical)
    {
        var (left, right) = (Compile(logical.Left), Compile(logical.Right));
        var goesOn = GoesOn(logical.Operator);
        return frame => left(frame) is var value && goesOn(value) ? right(frame) : value;
    }

    /// <summary>Whether a logical operator looks at its right side.</summary>
    private static Func<JsValue, bool> GoesOn(string @operator) => @operator switch
    {
        "&&" => JsConvert.ToBoolean,
        "||" => static value => !JsConvert.ToBoolean(value),
        _ => static value => value.IsNullish,
    };

    private Evaluate CompileConditional(ConditionalSyntax conditional)
    {
        var (test, then, @else) = (Compile(conditional.Test), Compile(conditional.Then), Compile(conditional.Else));
        return frame => JsConvert.ToBoolean(test(frame)) ? then(frame) : @else(frame);
    }

    private Evaluate CompileSequence(SequenceSyntax sequence)
    {
        var items = sequence.Items.Select(Compile).ToArray();
        return frame =>
        {
            JsValue value = default;
            foreach (var item in items)
                value = item(frame);
            return value;
        };
    }

    private Evaluate CompileUnary(UnarySyntax unary)
    {
        if (unary.Operator == "delete")
            return CompileDelete(unary.Operand);
        if (unary is { Operator: "typeof", Operand: IdentifierSyntax { Name: var name } } && _scope.Resolve(name) is null)
            return frame => JsConvert.TypeOf(frame.Realm.Global.TryRead(name, out var value) ? value : default);
        if (unary is { Operator: "-", Operand: LiteralSyntax { Value: { IsNumber: true } number } })
            return Constant(-number.Number);
        var operand = Compile(unary.Operand);
        var position = unary.Position;
        return unary.Operator switch
        {
            "!" => frame => !JsConvert.ToBoolean(operand(frame)),
            "-" => frame => -JsConvert.ToNumber(frame.Realm, operand(frame)),
            "+" => frame => operand(frame) is var value && value.IsNumber ? value : JsConvert.ToNumber(frame.Realm.At(position), value),
            "~" => frame => (double)~JsConvert.ToInt32(frame.Realm, operand(frame)),
            "typeof" => frame => JsConvert.TypeOf(operand(frame)),
            _ => frame =>
            {
                operand(frame);
                return default;
            }
            ,
        };
    }

    private Evaluate CompileTemplate(TemplateSyntax template)
    {
        var substitutions = template.Substitutions.Select(Compile).ToArray();
        var chunks = template.Cooked.Select(c => (JsValue)c).ToArray();
        return frame =>
        {
            var text = chunks[0];
            for (var i = 0; i < substitutions.Length; i++)
            {
                var substitution = JsConvert.ToText(frame.Realm, substitutions[i](frame));
                text = ConcatenatedText.Concatenate(text, substitution, frame.Realm.Budget);
                text = ConcatenatedText.Concatenate(text, chunks[i + 1], frame.Realm.Budget);
            }

            return text;
        };
    }

    private Evaluate CompileTaggedTemplate(TaggedTemplateSyntax tagged)
    {
        var callee = CompileCallee(tagged.Tag);
        var template = tagged.Template;
        var substitutions = template.Substitutions.Select(Compile).ToArray();
        return frame =>
        {
            var function = callee(frame, out var self);
            var strings = frame.Realm.TemplateObject(template, () => MakeTemplateObject(frame.Realm, template));
            JsValue[] arguments = [strings, .. substitutions.Select(s => s(frame))];
            return frame.Realm.At(tagged.Position).Call(function, self, arguments);
        };
    }

    private static JsValue MakeTemplateObject(Realm realm, TemplateSyntax template)
    {
        var strings = new JsArray(realm, template.Cooked.Select(c => (JsValue)c));
        var raw = new JsArray(realm, template.Raw.Select(c => (JsValue)c));
        raw.Restrict(PropertyFlags.Writable | PropertyFlags.Configurable);
        strings.Define("raw", raw, PropertyFlags.None);
        strings.Restrict(PropertyFlags.Writable | PropertyFlags.Configurable);
        return strings;
    }

    private Evaluate CompileArray(ArraySyntax array)
    {
        var elements = array.Elements.Select(e => (
            Value: e is null ? Constant(JsValue.Absent) : Compile(e is SpreadSyntax spread ? spread.Argument : e),
            IsSpread: e is SpreadSyntax)).ToArray();
        return frame =>
        {
            var result = new JsArray(frame.Realm);
            foreach (var (value, isSpread) in elements)
            {
                if (isSpread)
                    JsIterator.ForEach(frame.Realm, value(frame), result.Add);
                else
                    result.Add(value(frame));
            }

            return result;
        };
    }

    private Evaluate CompileObject(ObjectSyntax syntax)
    {
        var properties = syntax.Properties.Select(CompileProperty).ToArray();
        return frame =>
        {
            var result = frame.Realm.NewObject();
            foreach (var define in properties)
                define(frame, result);
            return result;
        };
    }

    private Action<Frame, JsObject> CompileProperty(PropertySyntax property)
    {
        if (property.Kind == PropertyKind.Spread)
            return CompileSpreadProperty(Compile(property.Value));
        if (property.Kind is PropertyKind.Getter or PropertyKind.Setter)
        {
            return CompileAccessor(
                property.Key, (FunctionSyntax)property.Value, property.Kind == PropertyKind.Getter, PropertyFlags.Enumerable | PropertyFlags.Configurable);
        }

        if (property.Value is FunctionSyntax { Kind: FunctionKind.Method } method)
            return CompileMethod(property.Key, method, PropertyFlags.Ordinary);
        var value = Compile(property.Value);
        if (property.Key.Name is not { } name)
        {
            var key = CompileKey(property.Key);
            return (frame, target) => target.Define(key(frame), value(frame));
        }

        if (name == "__proto__" && !property.IsShorthand)
            return (frame, target) => SetPrototype(target, value(frame));
        return (frame, target) => target.Define(name, value(frame));
    }

    private static void SetPrototype(JsObject target, JsValue value)
    {
        if (value.IsObject || value.IsNull)
            target.Prototype = value.AsObject();
    }

    private static Action<Frame, JsObject> CompileSpreadProperty(Evaluate source) => (frame, target) =>
    {
        var value = source(frame);
        if (!value.IsNullish)
            CopyEntries(JsConvert.ToObject(frame.Realm, value), target, []);
    };

    private static void CopyEntries(JsObject source, JsObject target, HashSet<PropertyKey> except)
    {
        foreach (var (key, value) in source.Entries(withSymbols: true))
        {
            source.Realm.Budget.Step();
            if (!except.Contains(key))
                target.Define(key, value);
        }
    }

    private Func<Frame, PropertyKey> CompileKey(KeySyntax key)
    {
        if (key.IsPrivate)
        {
            var symbol = CompilePrivateName(key.Name!, null);
            return frame => symbol(frame).As<JsSymbol>()!;
        }

        if (key.Computed is null)
        {
            var name = key.Name!;
            return _ => name;
        }

        var computed = Compile(key.Computed);
        return frame => JsConvert.ToKey(frame.Realm, computed(frame));
    }

    private static Evaluate CompileThis(ThisSyntax syntax) => frame => frame.Lexical.This is { IsAbsent: false } self
        ? self
        : throw frame.Realm.At(syntax.Position).ReferenceError("Must call super constructor in derived class before accessing 'this'");

    private Evaluate CompileAwait(AwaitSyntax syntax)
    {
        var operand = Compile(syntax.Operand);
        return frame => operand(frame) is var value && (value.IsObject || frame.Realm.HasJobs)
            ? frame.Realm.At(syntax.Position).Jobs.Await(value)
            : value;
    }

    private Evaluate CompileRegex(RegexSyntax regex)
    {
        var pattern = RegexPattern.TryCompile(regex.Pattern, regex.Flags, out var error) ?? throw Error(error!, regex);
        return frame => new JsRegExp(frame.Realm, pattern);
    }

    private Evaluate CompilePrivateIn(PrivateInSyntax syntax)
    {
        var (symbol, right) = (CompilePrivateName(syntax.Name, syntax), Compile(syntax.Right));
        return frame => right(frame).AsObject() is { } target
            ? target.HasOwn(symbol(frame).As<JsSymbol>()!)
            : throw frame.Realm.At(syntax.Position).TypeError("Cannot use 'in' operator to search for a private name in a value that is no object");
    }
}
