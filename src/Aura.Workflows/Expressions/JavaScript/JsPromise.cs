namespace Aura.Workflows.Expressions.JavaScript;

/// <summary>A promise. There is no event loop: jobs run when something awaits, and when the script has ended.</summary>
internal sealed class JsPromise(Realm realm) : JsObject(realm, realm.PrototypeOf(Builtin.Promise))
{
    private readonly List<Action> _reactions = [];

    public override string ClassName => "Promise";

    public bool IsSettled { get; private set; }

    public bool IsRejected { get; private set; }

    public JsValue Value { get; private set; }

    /// <summary>Someone looks at the outcome, so that a rejection is not lost.</summary>
    public bool IsHandled { get; set; }

    /// <summary>A promise that follows a value, or the value itself if it is one.</summary>
    public static JsPromise Of(Realm realm, JsValue value)
    {
        if (value.As<JsPromise>() is { } existing)
            return existing;
        var promise = new JsPromise(realm);
        promise.Resolve(value);
        return promise;
    }

    /// <summary>What an async function is: its body runs at once, its outcome is the promise's.</summary>
    public static JsPromise Run(Realm realm, Func<JsValue> body)
    {
        var promise = new JsPromise(realm);
        try
        {
            promise.Resolve(body());
        }
        catch (JsThrow thrown)
        {
            promise.Reject(thrown.Value, thrown);
        }

        return promise;
    }

    public void Resolve(JsValue value)
    {
        if (IsSettled)
            return;
        if (value.AsObject() is not { } target)
        {
            Settle(value, isRejected: false);
            return;
        }

        if (ReferenceEquals(target, this))
        {
            Reject(Realm.TypeError("Chaining cycle detected for promise").Value);
            return;
        }

        try
        {
            if (target is JsPromise other)
                other.Then(() => Settle(other.Value, other.IsRejected));
            else if (target.Get("then").As<JsFunction>() is { } then)
                Realm.Jobs.Enqueue(() => Follow(target, then));
            else
                Settle(value, isRejected: false);
        }
        catch (JsThrow thrown)
        {
            Reject(thrown.Value, thrown);
        }
    }

    public void Reject(JsValue reason, JsThrow? thrown = null)
    {
        if (IsSettled)
            return;
        Realm.Jobs.NoteRejection(this, thrown);
        Settle(reason, isRejected: true);
    }

    /// <summary>Queues a reaction as soon as the outcome is known.</summary>
    public void Then(Action reaction)
    {
        IsHandled = true;
        if (IsSettled)
            Realm.Jobs.Enqueue(reaction);
        else
            _reactions.Add(reaction);
    }

    public JsPromise Then(JsFunction? onFulfilled, JsFunction? onRejected)
    {
        var next = new JsPromise(Realm);
        Then(() => next.React(this, IsRejected ? onRejected : onFulfilled));
        return next;
    }

    private void React(JsPromise source, JsFunction? handler)
    {
        try
        {
            if (handler is not null)
                Resolve(handler.Call(default, source.Value));
            else if (source.IsRejected)
                Reject(source.Value);
            else
                Resolve(source.Value);
        }
        catch (JsThrow thrown)
        {
            Reject(thrown.Value, thrown);
        }
    }

    private void Follow(JsObject thenable, JsFunction then)
    {
        try
        {
            then.Call(
                thenable,
                Realm.NewFunction("", 1, call => Settled(() => Resolve(call[0]))),
                Realm.NewFunction("", 1, call => Settled(() => Reject(call[0]))));
        }
        catch (JsThrow thrown)
        {
            Reject(thrown.Value, thrown);
        }
    }

    private static JsValue Settled(Action settle)
    {
        settle();
        return default;
    }

    private void Settle(JsValue value, bool isRejected)
    {
        if (IsSettled)
            return;
        (IsSettled, IsRejected, Value) = (true, isRejected, value);
        foreach (var reaction in _reactions)
            Realm.Jobs.Enqueue(reaction);
        _reactions.Clear();
    }
}

/// <summary>The reactions that wait to run, and the tasks of the host that promises wait for.</summary>
internal sealed class PromiseJobs(Realm realm)
{
    private const int JobBytes = 64;

    private readonly Queue<Action> _queue = new();
    private readonly Queue<(Task<object?> Task, JsPromise Promise)> _tasks = new();
    private readonly List<(JsPromise Promise, JsThrow? Thrown)> _rejections = [];

    public void Enqueue(Action job)
    {
        realm.Budget.Allocate(JobBytes);
        _queue.Enqueue(job);
    }

    public void NoteRejection(JsPromise promise, JsThrow? thrown) => _rejections.Add((promise, thrown));

    public JsPromise Follow(Task<object?> task)
    {
        var promise = new JsPromise(realm);
        _tasks.Enqueue((task, promise));
        return promise;
    }

    /// <summary>Runs jobs until the value is known.</summary>
    public JsValue Await(JsValue value)
    {
        // What was queued before comes before what follows the await.
        Run(() => _queue.Count == 0);
        if (value.AsObject() is null)
            return value;
        var promise = JsPromise.Of(realm, value);
        promise.IsHandled = true;
        Run(() => promise.IsSettled);
        if (!promise.IsSettled)
            throw realm.Error(Builtin.Error, "The awaited promise can never settle: nothing is left to run");
        return promise.IsRejected ? throw Rethrown(promise) : promise.Value;
    }

    /// <summary>Runs all that is left when the script has ended.</summary>
    public void RunToEnd()
    {
        Run(() => false);
        foreach (var (promise, thrown) in _rejections)
        {
            if (!promise.IsHandled)
                throw thrown ?? new JsThrow(promise.Value, realm.Position);
        }
    }

    private void Run(Func<bool> isDone)
    {
        while (!isDone())
        {
            if (_queue.TryDequeue(out var job))
            {
                realm.Budget.Step();
                job();
            }
            else if (_tasks.TryDequeue(out var pending))
            {
                Settle(pending.Task, pending.Promise);
            }
            else
            {
                return;
            }
        }
    }

    private JsThrow Rethrown(JsPromise promise) =>
        _rejections.Find(r => ReferenceEquals(r.Promise, promise)).Thrown ?? new JsThrow(promise.Value, realm.Position);

    private void Settle(Task<object?> task, JsPromise promise)
    {
        try
        {
            promise.Resolve(HostValues.Import(realm, WaitFor(task)));
        }
        catch (JsThrow thrown)
        {
            promise.Reject(thrown.Value, thrown);
        }
        // What a task of the host fails with is the host's; the script gets it as an error.
        catch (Exception e) when (e is not (OperationCanceledException or ScriptingException))
        {
            promise.Reject(realm.NewError(Builtin.Error, e.Message), realm.Error(Builtin.Error, e.Message, e));
        }
    }

    private object? WaitFor(Task<object?> task)
    {
        try
        {
#pragma warning disable VSTHRD002 // A script runs on its caller's thread from end to end: the wait ends with the token or the script's time.
            return task.WaitAsync(realm.Budget.Remaining, realm.Budget.Time, realm.Budget.CancellationToken).GetAwaiter().GetResult();
#pragma warning restore VSTHRD002
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new ScriptLimitException("The script waited for the host longer than it may run.");
        }
    }
}
