namespace Aura.Workflows.Expressions.JavaScript;

internal static class PromiseLibrary
{
    public static BuiltinType Type { get; } = new(Builtin.Promise, "Promise", 1, Construct, Library.WithConstructor(Builtin.Promise, new()
    {
        { "then", 2, call => This(call).Then(call[0].As<JsFunction>(), call[1].As<JsFunction>()) },
        { "catch", 1, call => This(call).Then(null, call[0].As<JsFunction>()) },
        { "finally", 1, Finally },
    }), new()
    {
        { "resolve", 1, call => JsPromise.Of(call.Realm, call[0]) },
        { "reject", 1, call => Rejected(call.Realm, call[0]) },
        { "all", 1, call => All(call, p => p.IsRejected ? throw new JsThrow(p.Value, call.Realm.Position) : p.Value) },
        { "allSettled", 1, call => All(call, Outcome) },
        { "race", 1, Race },
        { "any", 1, Any },
    });

    private static JsPromise This(NativeCall call) => call.ThisAs<JsPromise>("Promise");

    private static JsPromise Rejected(Realm realm, JsValue reason)
    {
        var promise = new JsPromise(realm);
        promise.Reject(reason);
        return promise;
    }

    private static JsValue Construct(NativeCall call)
    {
        if (call.NewTarget is null)
            throw call.Realm.TypeError("Promise constructor cannot be invoked without 'new'");
        var (executor, promise) = (call.Function(0), new JsPromise(call.Realm));
        var resolve = call.Realm.NewFunction("", 1, inner => Done(() => promise.Resolve(inner[0])));
        var reject = call.Realm.NewFunction("", 1, inner => Done(() => promise.Reject(inner[0])));
        try
        {
            executor.Call(default, resolve, reject);
        }
        catch (JsThrow thrown)
        {
            promise.Reject(thrown.Value, thrown);
        }

        return call.Constructed(promise);
    }

    private static JsValue Done(Action action)
    {
        action();
        return default;
    }

    private static JsValue Finally(NativeCall call)
    {
        var (source, action, next) = (This(call), call[0].As<JsFunction>(), new JsPromise(call.Realm));
        source.Then(() =>
        {
            try
            {
                if (action is not null)
                    call.Realm.Jobs.Await(action.Call(default));
                if (source.IsRejected)
                    next.Reject(source.Value);
                else
                    next.Resolve(source.Value);
            }
            catch (JsThrow thrown)
            {
                next.Reject(thrown.Value, thrown);
            }
        });
        return next;
    }

    /// <summary>Waits for all, and makes of each outcome an item of the result; an outcome that throws rejects the whole.</summary>
    private static JsPromise All(NativeCall call, Func<JsPromise, JsValue> item)
    {
        var (realm, all) = (call.Realm, new JsPromise(call.Realm));
        var promises = JsIterator.ToList(realm, call[0]).ConvertAll(p => JsPromise.Of(realm, p));
        var left = promises.Count;
        foreach (var promise in promises)
            promise.Then(() => Collect(all, promise, promises, item, --left == 0));
        if (left == 0)
            all.Resolve(new JsArray(realm));
        return all;
    }

    private static void Collect(JsPromise all, JsPromise promise, List<JsPromise> promises, Func<JsPromise, JsValue> item, bool isLast)
    {
        try
        {
            // Called for its exception: a rejection must not wait for the others.
            item(promise);
            if (isLast)
                all.Resolve(new JsArray(all.Realm, promises.Select(item)));
        }
        catch (JsThrow thrown)
        {
            all.Reject(thrown.Value, thrown);
        }
    }

    private static JsValue Outcome(JsPromise promise)
    {
        var outcome = promise.Realm.NewObject();
        outcome.Define("status", promise.IsRejected ? "rejected" : "fulfilled");
        outcome.Define(promise.IsRejected ? "reason" : "value", promise.Value);
        return outcome;
    }

    private static JsValue Race(NativeCall call)
    {
        var race = new JsPromise(call.Realm);
        foreach (var promise in JsIterator.ToList(call.Realm, call[0]).ConvertAll(p => JsPromise.Of(call.Realm, p)))
            promise.Then(() => Pass(promise, race));
        return race;
    }

    private static void Pass(JsPromise from, JsPromise to)
    {
        if (from.IsRejected)
            to.Reject(from.Value);
        else
            to.Resolve(from.Value);
    }

    private static JsValue Any(NativeCall call)
    {
        var (realm, any) = (call.Realm, new JsPromise(call.Realm));
        var promises = JsIterator.ToList(realm, call[0]).ConvertAll(p => JsPromise.Of(realm, p));
        var left = promises.Count;
        foreach (var promise in promises)
        {
            promise.Then(() =>
            {
                if (!promise.IsRejected)
                    any.Resolve(promise.Value);
                else if (--left == 0)
                    any.Reject(realm.NewError(Builtin.Error, "All promises were rejected"));
            });
        }

        return any;
    }
}
