namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>Evaluates what is to be called, and the <c>this</c> to call it with.</summary>
internal delegate JsValue Callee(Frame frame, out JsValue self);

internal sealed partial class Compiler
{
    /// <summary>A member's place: the object and key are evaluated once, then read or written.</summary>
    private sealed record MemberPlace(
        Evaluate Object, Evaluate Key, Func<Frame, JsValue, JsValue, JsValue> Get, Action<Frame, JsValue, JsValue, JsValue> Set);

    private Evaluate CompileMember(MemberSyntax member)
    {
        if (member is { Key: { Name: { } name, IsPrivate: false }, Object: not SuperSyntax })
            return CompileNamedMember(Compile(member.Object), name, member);
        var callee = CompileMemberCallee(member);
        return frame => callee(frame, out _);
    }

    private static Evaluate CompileNamedMember(Evaluate target, PropertyKey name, MemberSyntax member)
    {
        var (position, isOptional) = (member.Position, member.IsOptional);
        return frame =>
        {
            var value = target(frame);
            if (value.AsObject() is { } holder)
                return holder.Get(name);
            return value.IsAbsent || (isOptional && value.IsNullish) ? JsValue.Absent : frame.Realm.At(position).GetMember(value, name);
        };
    }

    /// <summary>Reads a member and keeps its object. <see cref="JsValue.Absent"/> where an optional chain ends early.</summary>
    private Callee CompileMemberCallee(MemberSyntax member)
    {
        var place = CompilePlace(member);
        var (position, isOptional) = (member.Position, member.IsOptional);
        return (frame, out self) =>
        {
            self = place.Object(frame);
            if (self.IsAbsent || (isOptional && self.IsNullish))
                return JsValue.Absent;
            var key = place.Key(frame);
            frame.Realm.Position = position;
            return place.Get(frame, self, key);
        };
    }

    private MemberPlace CompilePlace(MemberSyntax member)
    {
        if (member.Object is SuperSyntax)
            return CompileSuperPlace(member);
        var target = Compile(member.Object);
        if (member.Key.IsPrivate)
            return new(target, CompilePrivateName(member.Key.Name!, member), GetPrivate, SetPrivate);
        return member.Key.Name is { } name
            ? new(
                target, Constant(name),
                (frame, self, _) => frame.Realm.GetMember(self, name),
                (frame, self, _, value) => frame.Realm.SetMember(self, name, value))
            : new(
                target, Compile(member.Key.Computed!),
                static (frame, self, key) => frame.Realm.GetComputed(self, key),
                static (frame, self, key, value) => frame.Realm.SetComputed(self, key, value));
    }

    private MemberPlace CompileSuperPlace(MemberSyntax member) => new(
        CompileThis(new(member.Position)),
        member.Key.Name is { } name ? Constant(name) : Compile(member.Key.Computed!),
        static (frame, self, key) => SuperOf(frame)?.Get(JsConvert.ToKey(frame.Realm, key), self) ?? default,
        static (frame, self, key, value) => frame.Realm.SetComputed(self, key, value));

    private static JsObject? SuperOf(Frame frame) => frame.Lexical.Function?.HomeObject?.Prototype;

    private static JsValue GetPrivate(Frame frame, JsValue self, JsValue key)
    {
        var symbol = key.As<JsSymbol>()!;
        return self.AsObject()?.HasOwn(symbol) == true
            ? self.AsObject()!.Get(symbol)
            : throw frame.Realm.TypeError($"Cannot read private member #{symbol.Description} from an object whose class did not declare it");
    }

    private static void SetPrivate(Frame frame, JsValue self, JsValue key, JsValue value)
    {
        var symbol = key.As<JsSymbol>()!;
        if (self.AsObject()?.HasOwn(symbol) != true)
            throw frame.Realm.TypeError($"Cannot write private member #{symbol.Description} to an object whose class did not declare it");
        self.AsObject()!.Set(symbol, value);
    }

    /// <summary>Private names are variables of the class, which hold a symbol that is new each time the class is evaluated.</summary>
    private Evaluate CompilePrivateName(string name, Syntax? place)
    {
        if (_scope.Resolve("#" + name) is null)
            throw Error($"The private name '#{name}' is not declared in a class around it", place ?? new EmptySyntax(0));
        return CompileIdentifier(new(place?.Position ?? 0, "#" + name));
    }

    private Evaluate CompileChain(ChainSyntax chain)
    {
        var inner = Compile(chain.Inner);
        return frame => inner(frame).OrUndefined();
    }

    // Calls

    private Evaluate CompileCall(CallSyntax call)
    {
        if (call.Callee is SuperSyntax)
            return CompileSuperCall(call);
        var callee = CompileCallee(call.Callee);
        var arguments = CompileArguments(call.Arguments);
        var (position, isOptional, text) = (call.Position, call.IsOptional, Describe(call.Callee));
        return frame =>
        {
            var function = callee(frame, out var self);
            if (function.IsAbsent || (isOptional && function.IsNullish))
                return JsValue.Absent;
            var values = arguments(frame);
            var realm = frame.Realm.At(position);
            return function.As<JsFunction>() is { } target ? target.Call(self, values) : throw realm.TypeError($"{text} is not a function");
        };
    }

    private Callee CompileCallee(ExpressionSyntax callee)
    {
        switch (callee)
        {
            case ParenthesizedSyntax { Inner: MemberSyntax or ParenthesizedSyntax or ChainSyntax } parenthesized:
                return CompileCallee(parenthesized.Inner);
            case ChainSyntax chain:
                var inner = CompileCallee(chain.Inner);
                return (frame, out self) => inner(frame, out self).OrUndefined();
            case MemberSyntax { Key: { Name: { } name, IsPrivate: false }, IsOptional: false, Object: not SuperSyntax } member:
                return CompileNamedCallee(Compile(member.Object), name, member.Position);
            case MemberSyntax member:
                return CompileMemberCallee(member);
            default:
                var code = Compile(callee);
                return (frame, out self) =>
                {
                    self = default;
                    return code(frame);
                };
        }
    }

    /// <summary>The common case of a method call.</summary>
    private static Callee CompileNamedCallee(Evaluate target, PropertyKey name, int position) => (frame, out self) =>
    {
        self = target(frame);
        return self.IsAbsent ? self : self.AsObject()?.Get(name) ?? frame.Realm.At(position).GetMember(self, name);
    };

    private Func<Frame, JsValue[]> CompileArguments(IReadOnlyList<ExpressionSyntax> arguments)
    {
        if (arguments.Any(a => a is SpreadSyntax))
            return CompileSpreadArguments(arguments);
        var codes = arguments.Select(Compile).ToArray();
        if (codes.Length == 0)
            return static _ => [];
        return frame =>
        {
            var values = new JsValue[codes.Length];
            for (var i = 0; i < codes.Length; i++)
                values[i] = codes[i](frame);
            return values;
        };
    }

    private Func<Frame, JsValue[]> CompileSpreadArguments(IReadOnlyList<ExpressionSyntax> arguments)
    {
        var codes = arguments.Select(a => (Value: Compile(a is SpreadSyntax spread ? spread.Argument : a), IsSpread: a is SpreadSyntax)).ToArray();
        return frame =>
        {
            var values = new List<JsValue>();
            foreach (var (value, isSpread) in codes)
            {
                if (isSpread)
                    values.AddRange(JsIterator.ToList(frame.Realm, value(frame)));
                else
                    values.Add(value(frame));
            }

            return [.. values];
        };
    }

    private Evaluate CompileNew(NewSyntax syntax)
    {
        var (callee, arguments) = (Compile(syntax.Callee), CompileArguments(syntax.Arguments));
        var (position, text) = (syntax.Position, Describe(syntax.Callee));
        return frame =>
        {
            var type = callee(frame).As<JsFunction>();
            var values = arguments(frame);
            var realm = frame.Realm.At(position);
            return type is { IsConstructor: true } ? type.Construct(values, type) : throw realm.TypeError($"{text} is not a constructor");
        };
    }

    private Evaluate CompileSuperCall(CallSyntax call)
    {
        var arguments = CompileArguments(call.Arguments);
        var position = call.Position;
        return frame =>
        {
            var lexical = frame.Lexical;
            var values = arguments(frame);
            var realm = frame.Realm.At(position);
            if (lexical is not { Function: { } function, NewTarget: { } newTarget }
                || function.Prototype is not JsFunction { IsConstructor: true } parent)
                throw realm.SyntaxError("'super' may be called in the constructor of a derived class only");
            if (!lexical.This.IsAbsent)
                throw realm.ReferenceError("Super constructor may only be called once");
            var self = parent.Construct(values, newTarget);
            lexical.This = self;
            function.InitializeFields?.Invoke(self);
            return self;
        };
    }

    private Evaluate CompileDelete(ExpressionSyntax operand)
    {
        while (operand is ParenthesizedSyntax or ChainSyntax)
            operand = operand is ParenthesizedSyntax parenthesized ? parenthesized.Inner : ((ChainSyntax)operand).Inner;
        if (operand is not MemberSyntax member)
            return Constant(true);
        var place = CompilePlace(member);
        return frame =>
        {
            var self = place.Object(frame);
            if (self.IsAbsent || (member.IsOptional && self.IsNullish))
                return true;
            var target = JsConvert.ToObject(frame.Realm.At(member.Position), self);
            var key = JsConvert.ToKey(frame.Realm, place.Key(frame));
            return target.Delete(key) ? true : throw frame.Realm.TypeError($"Cannot delete property '{key}' of {target}");
        };
    }

    /// <summary>An expression as messages show it.</summary>
    private static string Describe(ExpressionSyntax expression) => expression switch
    {
        IdentifierSyntax identifier => identifier.Name,
        ThisSyntax => "this",
        SuperSyntax => "super",
        MemberSyntax { Key.Name: { } name } member => $"{Describe(member.Object)}.{(member.Key.IsPrivate ? "#" : "")}{name}",
        MemberSyntax member => $"{Describe(member.Object)}[...]",
        CallSyntax call => $"{Describe(call.Callee)}(...)",
        ParenthesizedSyntax parenthesized => Describe(parenthesized.Inner),
        ChainSyntax chain => Describe(chain.Inner),
        LiteralSyntax literal => literal.Value.IsString ? $"\"{literal.Value}\"" : literal.Value.ToString(),
        _ => "(intermediate value)",
    };
}
