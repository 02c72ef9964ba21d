namespace Aura.Workflows.Expressions.JavaScript;

internal sealed partial class Compiler
{
    /// <summary>After a turn of the body: whether the loop is over, and what it then completes with.</summary>
    private static bool IsOver(Frame frame, IReadOnlyList<string> labels, ref Completion completion)
    {
        if (completion == Completion.Normal)
            return false;
        var isMine = completion != Completion.Return && (frame.Label is null || labels.Contains(frame.Label));
        if (!isMine)
            return true;
        var isOver = completion == Completion.Break;
        frame.Label = null;
        completion = Completion.Normal;
        return isOver;
    }

    private Execute CompileWhile(WhileSyntax loop, IReadOnlyList<string> labels)
    {
        var (test, body, position, testsFirst) = (Compile(loop.Test), Compile(loop.Body), loop.Position, !loop.TestsAfterBody);
        return frame =>
        {
            Begin(frame, position);
            if (testsFirst && !JsConvert.ToBoolean(test(frame)))
                return Completion.Normal;
            do
            {
                frame.Realm.Budget.Step();
                var completion = body(frame);
                if (IsOver(frame, labels, ref completion))
                    return completion;
            }
            while (JsConvert.ToBoolean(test(frame)));
            return Completion.Normal;
        };
    }

    private Execute CompileFor(ForSyntax loop, IReadOnlyList<string> labels)
    {
        var copiesEachTurn = loop is { HasClosure: true, Initializer: DeclarationSyntax { Kind: not DeclarationKind.Var } };
        var code = InBlock(copiesEachTurn, () =>
        {
            if (loop.Initializer is DeclarationSyntax { Kind: not DeclarationKind.Var } declaration)
                DeclareAll([declaration]);
            var initialize = loop.Initializer is null ? static _ => Completion.Normal : Silently(() => Compile(loop.Initializer));
            var (test, update, body) = (CompileOptional(loop.Test), CompileOptional(loop.Update), Compile(loop.Body));
            return (frame, _) =>
            {
                initialize(frame);
                while (test is null || JsConvert.ToBoolean(test(frame)))
                {
                    frame.Realm.Budget.Step();
                    var completion = body(frame);
                    if (IsOver(frame, labels, ref completion))
                        return completion;
                    if (copiesEachTurn)
                        frame.Environment = frame.Environment.Copy(frame.Realm.Budget);
                    update?.Invoke(frame);
                }

                return Completion.Normal;
            };
        });
        return frame =>
        {
            Begin(frame, loop.Position);
            return code(frame, default);
        };
    }

    /// <summary>The head of a loop is no expression statement: it is not the script's result.</summary>
    private T Silently<T>(Func<T> compile)
    {
        var outer = _isScriptLevel;
        _isScriptLevel = false;
        var result = compile();
        _isScriptLevel = outer;
        return result;
    }

    private Execute CompileForEach(ForEachSyntax loop, IReadOnlyList<string> labels)
    {
        var source = Compile(loop.Source);
        var turn = InBlock(loop.HasClosure && loop.Declaration is DeclarationKind.Let or DeclarationKind.Const, () =>
        {
            if (loop.Declaration is DeclarationKind.Let or DeclarationKind.Const)
                DeclarePattern(loop.Declaration.Value, loop.Target);
            var (assign, body) = (CompileTarget(loop.Target, isInitialization: loop.Declaration is not null), Compile(loop.Body));
            return (frame, item) =>
            {
                assign(frame, item);
                return body(frame);
            };
        });
        Func<Frame, JsValue, JsIterator> iterate = loop.IsForOf
            ? (frame, value) => JsIterator.Of(frame.Realm, value)
            : (frame, value) => new EnumeratorIterator(EnumerableNames(value).GetEnumerator());
        return frame =>
        {
            Begin(frame, loop.Position);
            return RunForEach(frame, iterate(frame, source(frame)), turn, labels);
        };
    }

    private static Completion RunForEach(Frame frame, JsIterator iterator, BlockCode turn, IReadOnlyList<string> labels)
    {
        while (iterator.MoveNext(out var item))
        {
            frame.Realm.Budget.Step();
            var completion = TurnOrClose(frame, iterator, turn, item);
            if (!IsOver(frame, labels, ref completion))
                continue;
            iterator.Close();
            return completion;
        }

        return Completion.Normal;
    }

    private static Completion TurnOrClose(Frame frame, JsIterator iterator, BlockCode turn, JsValue item)
    {
        try
        {
            return turn(frame, item);
        }
        catch (JsThrow)
        {
            iterator.Close();
            throw;
        }
    }

    /// <summary>What for-in goes over: enumerable names, the object's own first, then those of its prototypes.</summary>
    private static IEnumerable<JsValue> EnumerableNames(JsValue value)
    {
        if (value.IsString)
        {
            for (var i = 0; i < value.TextLength; i++)
                yield return Numbers.ToText(i);
        }

        var seen = new HashSet<PropertyKey>();
        for (var holder = value.AsObject(); holder is not null; holder = holder.Prototype)
        {
            holder.Realm.Budget.Step();
            foreach (var key in holder.OwnKeys())
            {
                // Deleted meanwhile, hidden by a nearer one, or not enumerable.
                if (key.Symbol is null && holder.TryGetOwn(key, out var property) && seen.Add(key) && property.IsEnumerable)
                    yield return key.ToValue();
            }
        }
    }
}
