namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    /// <summary>Computes the new value of a place from its old one; false leaves the place as it is.</summary>
    private delegate bool Change(Frame frame, JsValue old, out JsValue stored, out JsValue result);

    private Evaluate CompileAssignment(AssignmentSyntax assignment)
    {
        if (assignment.Operator.Length > 0)
            return CompileChange(assignment.Target, CompileCompound(assignment));
        if (assignment.Target is MemberSyntax member)
            return CompileMemberAssignment(member, Compile(assignment.Value));
        var (value, assign) = (Compile(assignment.Value), CompileTarget(assignment.Target, isInitialization: false));
        return frame =>
        {
            var result = value(frame);
            assign(frame, result);
            return result;
        };
    }

    private Evaluate CompileMemberAssignment(MemberSyntax member, Evaluate value)
    {
        var place = CompilePlace(member);
        var position = member.Position;
        return frame =>
        {
            var self = place.Object(frame);
            var key = place.Key(frame);
            var result = value(frame);
            frame.Realm.Position = position;
            place.Set(frame, self, key, result);
            return result;
        };
    }

    private Change CompileCompound(AssignmentSyntax assignment)
    {
        var value = Compile(assignment.Value);
        if (assignment.Operator is "&&" or "||" or "??")
        {
            var goesOn = GoesOn(assignment.Operator);
            return (frame, old, out stored, out result) =>
            {
                var changes = goesOn(old);
                stored = result = changes ? value(frame) : old;
                return changes;
            };
        }

        var apply = Operators.Of(assignment.Operator);
        return (frame, old, out stored, out result) =>
        {
            stored = result = apply(frame.Realm, old, value(frame));
            return true;
        };
    }

    private Evaluate CompileUpdate(UpdateSyntax update)
    {
        var (delta, isPrefix) = (update.IsIncrement ? 1 : -1, update.IsPrefix);
        return CompileChange(update.Target, (frame, old, out stored, out result) =>
        {
            var number = JsConvert.ToNumber(frame.Realm, old);
            stored = number + delta;
            result = isPrefix ? stored : number;
            return true;
        });
    }

    private Evaluate CompileChange(ExpressionSyntax target, Change change) => target is MemberSyntax member
        ? CompileMemberChange(CompilePlace(member), member.Position, change)
        : CompileNameChange((IdentifierSyntax)target, change);

    private Evaluate CompileNameChange(IdentifierSyntax target, Change change)
    {
        var (read, write) = (CompileIdentifier(target), CompileNameAssignment(target));
        return frame =>
        {
            if (change(frame, read(frame), out var stored, out var result))
                write(frame, stored);
            return result;
        };
    }

    private static Evaluate CompileMemberChange(MemberPlace place, int position, Change change) => frame =>
    {
        var self = place.Object(frame);
        var key = place.Key(frame);
        frame.Realm.Position = position;
        if (change(frame, place.Get(frame, self, key), out var stored, out var result))
            place.Set(frame, self, key, stored);
        return result;
    };

    // Patterns

    /// <param name="target">A name, a member or a pattern.</param>
    /// <param name="isInitialization">True for declarations and parameters.</param>
    private Assign CompileTarget(ExpressionSyntax target, bool isInitialization) => target switch
    {
        IdentifierSyntax name => isInitialization ? CompileInitialization(name) : CompileNameAssignment(name),
        MemberSyntax member => CompileMemberTarget(member),
        ArrayPatternSyntax array => CompileArrayPattern(array, isInitialization),
        ObjectPatternSyntax @object => CompileObjectPattern(@object, isInitialization),
        ParenthesizedSyntax parenthesized => CompileTarget(parenthesized.Inner, isInitialization),
        _ => throw Error("Only a variable or a member can be assigned to", target),
    };

    private Assign CompileMemberTarget(MemberSyntax member)
    {
        var place = CompilePlace(member);
        return (frame, value) => place.Set(frame, place.Object(frame), place.Key(frame), value);
    }

    private Assign CompileElement(ElementSyntax element, bool isInitialization)
    {
        var assign = CompileTarget(element.Target, isInitialization);
        if (element.Default is null)
            return assign;
        var @default = Compile(element.Default);
        return (frame, value) => assign(frame, value.IsUndefined ? @default(frame) : value);
    }

    private Assign CompileArrayPattern(ArrayPatternSyntax pattern, bool isInitialization)
    {
        var elements = pattern.Elements.Select(e => e is null ? null : CompileElement(e, isInitialization)).ToArray();
        var rest = pattern.Rest is null ? null : CompileTarget(pattern.Rest, isInitialization);
        return (frame, value) =>
        {
            var iterator = JsIterator.Of(frame.Realm.At(pattern.Position), value);
            var isDone = false;
            foreach (var assign in elements)
            {
                JsValue item = default;
                isDone = isDone || !iterator.MoveNext(out item);
                assign?.Invoke(frame, isDone ? default : item);
            }

            if (rest is not null)
                rest(frame, TakeRest(frame.Realm, iterator, isDone));
            else if (!isDone)
                iterator.Close();
        };
    }

    private static JsArray TakeRest(Realm realm, JsIterator iterator, bool isDone)
    {
        var rest = new JsArray(realm);
        while (!isDone && iterator.MoveNext(out var item))
        {
            realm.Budget.Step();
            rest.Add(item);
        }

        return rest;
    }

    private Assign CompileObjectPattern(ObjectPatternSyntax pattern, bool isInitialization)
    {
        var properties = pattern.Properties.Select(p => (Key: CompileKey(p.Key), Assign: CompileElement(p.Element, isInitialization))).ToArray();
        var rest = pattern.Rest is null ? null : CompileTarget(pattern.Rest, isInitialization);
        return (frame, value) =>
        {
            if (value.IsNullish)
                throw frame.Realm.At(pattern.Position).TypeError($"Cannot destructure '{value}' as it is {value}.");
            var taken = rest is null ? null : new HashSet<PropertyKey>();
            foreach (var (key, assign) in properties)
            {
                var name = key(frame);
                taken?.Add(name);
                assign(frame, frame.Realm.GetMember(value, name));
            }

            if (rest is null)
                return;
            var others = frame.Realm.NewObject();
            CopyEntries(JsConvert.ToObject(frame.Realm, value), others, taken!);
            rest(frame, others);
        };
    }
}
