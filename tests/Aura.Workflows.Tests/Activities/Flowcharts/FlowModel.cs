namespace Aura.Workflows.Tests.Activities.Flowcharts;

/// <summary>One activity of a model chart.</summary>
internal sealed record ModelActivity(string Id, ModelKind Kind = ModelKind.Line)
{
    /// <summary>The outcomes of a switch, asked for at each run.</summary>
    public Func<IReadOnlyList<string>>? Choose { get; init; }

    public string? Join { get; init; }

    public string? Merge { get; init; }
}

internal enum ModelKind
{
    Line,
    Switch,
    Join,
    End,
    Block,
    Fault,
}

internal sealed class ModelFaultException(string message) : Exception(message);

/// <summary>
/// An oracle: Elsa's flowchart as one simulation with its own queue, written from the behaviour alone. It shares no code with
/// the product and no shape: no graph class, no deciders, mutable lists, paths found by walking them all.
/// </summary>
internal sealed class FlowModel
{
    private readonly Dictionary<string, ModelActivity> _activities;
    private readonly List<(string S, string P, string T)> _arrows;
    private readonly List<(string S, string P, string T)> _forward = [];
    private readonly string _start;
    private readonly bool _token;
    private readonly bool _stopsAtFault;
    private readonly LinkedList<(string Id, bool Back)> _queue = [];
    private readonly List<string> _inside = [];
    private readonly List<(string Id, bool Back)> _blocked = [];
    private readonly Dictionary<string, int> _runs = [];
    private readonly Dictionary<(string, string, string), (int Count, bool Followed)> _visits = [];
    private readonly List<Mark> _marks = [];
    private bool _childFaulted;

    public FlowModel(
        IEnumerable<ModelActivity> activities, IEnumerable<(string S, string P, string T)> arrows, string start, bool token,
        bool stopsAtFault = false)
    {
        _activities = activities.ToDictionary(a => a.Id);
        _arrows = [.. arrows];
        _start = start;
        _token = token;
        _stopsAtFault = stopsAtFault;
        SortArrows();
    }

    /// <summary>All activities in the order in which they began.</summary>
    public List<string> Started { get; } = [];

    public IEnumerable<string> Blocked => _blocked.Select(b => b.Id);

    public bool Done { get; private set; }

    public string? Fault { get; private set; }

    public string Lines => string.Concat(Started.Where(id => _activities[id].Kind == ModelKind.Line));

    public FlowModel Go()
    {
        _queue.AddLast((_start, false));
        Drain();
        return this;
    }

    public FlowModel Resume(string id)
    {
        var entry = _blocked.First(b => b.Id == id);
        _blocked.Remove(entry);
        Guard(() => Completed(id, ["Done"], entry.Back));
        Drain();
        return this;
    }

    private void Drain()
    {
        while (_queue.Count > 0 && !Done && !(_stopsAtFault && Fault is not null))
        {
            var (id, back) = _queue.First!.Value;
            _queue.RemoveFirst();
            Guard(() => Execute(id, back));
        }
    }

    private void Guard(Action step)
    {
        try
        {
            step();
        }
        catch (ModelFaultException e)
        {
            Fault = e.Message;
        }
    }

    private void Execute(string id, bool back)
    {
        var activity = _activities[id];
        Started.Add(id);
        switch (activity.Kind)
        {
            case ModelKind.Block:
                _blocked.Add((id, back));
                break;
            case ModelKind.Fault:
                _childFaulted = true;
                throw new ModelFaultException("activity " + id);
            case ModelKind.End:
                Done = true;
                break;
            case ModelKind.Switch:
                Completed(id, activity.Choose!(), back);
                break;
            case ModelKind.Join:
                _inside.Add(id);
                CancelUpstream(id);
                _inside.Remove(id);
                Completed(id, ["Done"], back);
                break;
            default:
                Completed(id, ["Done"], back);
                break;
        }
    }

    private void Completed(string id, IReadOnlyList<string> outcomes, bool back)
    {
        if (_token)
            Tokens(id, outcomes);
        else if (!Walk(id, outcomes, back))
            EndWhenIdle();
    }

    private void EndWhenIdle()
    {
        var pending = _queue.Count > 0 || _blocked.Count > 0 || _inside.Count > 0 || (_token && _marks.Exists(m => m.Live));
        if (!pending && !_childFaulted)
            Done = true;
    }

    private void CancelUpstream(string id)
    {
        var upstream = Upstream(id);
        foreach (var entry in _blocked.Where(b => upstream.Contains(b.Id)).ToList())
        {
            if (!_blocked.Remove(entry))
                continue;
            if (_token)
                _marks.RemoveAll(m => m.From == entry.Id || m.To == entry.Id);
            EndWhenIdle();
            if (!_token && !Done)
                Walk(entry.Id, [], false);
        }
    }

    // Counter mode.
    private bool Walk(string id, IReadOnlyList<string> outcomes, bool back)
    {
        if (id != _start && !_forward.Exists(a => a.T == id))
            throw new ModelFaultException(id + " is not reachable");
        if (!back)
            _runs[id] = _runs.GetValueOrDefault(id) + 1;
        var any = false;
        foreach (var arrow in Out(id))
        {
            var followed = outcomes.Contains(arrow.P);
            _visits[arrow] = (_visits.GetValueOrDefault(arrow).Count + 1, followed);
            if (_forward.Contains(arrow))
            {
                any |= Visit(arrow);
            }
            else if (followed)
            {
                if (!MayGoBack(arrow.S, arrow.T))
                    throw new ModelFaultException($"Invalid backward connection {arrow.S}->{arrow.T}");
                _queue.AddLast((arrow.T, true));
                any = true;
            }
        }

        return any;
    }

    private bool Visit((string S, string P, string T) arrow)
    {
        var target = arrow.T;
        var into = _forward.Where(a => a.T == target).Distinct().Select(a => _visits.GetValueOrDefault(a)).ToList();
        var runs = _runs.GetValueOrDefault(target);
        var top = into.Max(v => v.Count);
        var all = into.TrueForAll(v => v.Count > runs);
        var some = top > runs && into.Exists(v => v.Count == top && v.Followed);
        var every = top > runs && into.TrueForAll(v => v.Count == top && v.Followed);
        var join = _activities[target].Kind == ModelKind.Join ? _activities[target].Join ?? "WaitAny" : "WaitAllActive";
        if (join == "WaitAny")
        {
            if (_visits[arrow].Count <= runs || _queue.Any(i => i.Id == target))
                return false;
            if (!some)
                return all && Walk(target, [], false);
            _queue.AddLast((target, false));
            CancelUpstream(target);
            return true;
        }

        if (!all)
            return false;
        if (join == "WaitAll" ? !every : !some)
            return Walk(target, [], false);
        _queue.AddLast((target, false));
        return true;
    }

    // Token mode.
    private void Tokens(string id, IReadOnlyList<string> outcomes)
    {
        var followed = Out(id).Where(a => outcomes.Contains(a.P)).ToList();
        _marks.AddRange(followed.Select(a => new Mark(a.S, a.P, a.T)));
        foreach (var mark in _marks.Where(m => m.To == id && m.Live))
            mark.Consumed = true;
        foreach (var arrow in followed)
        {
            var target = arrow.T;
            var activity = _activities[target];
            var mode = activity.Kind == ModelKind.Join ? activity.Join is null or "WaitAny" ? "Race" : "Merge" : activity.Merge ?? "Stream";
            var into = _forward.Where(a => a.T == target).Distinct().ToList();
            switch (mode)
            {
                case "Race":
                    CancelUpstream(target);
                    goto case "Cascade";
                case "Cascade":
                    if (_marks.Find(m => m.Blocked && (m.From, m.Port, m.To) == arrow) is { } blocked)
                    {
                        blocked.Consumed = true;
                        break;
                    }

                    _queue.AddLast((target, false));
                    _marks.AddRange(into.Where(a => a.S != id).Select(a => new Mark(a.S, a.P, a.T) { Blocked = true }));
                    break;
                case "Merge" or "Converge":
                    var needed = mode == "Merge" ? into : [.. _arrows.Where(a => a.T == target).Distinct()];
                    if (needed.Count <= 1 || needed.TrueForAll(a => _marks.Exists(m => m.Live && (m.From, m.Port, m.To) == a)))
                        _queue.AddLast((target, false));
                    break;
                default:
                    if (!_marks.Exists(m => m.Live && into.Exists(a => a.S == m.To)))
                        _queue.AddLast((target, false));
                    break;
            }
        }

        EndWhenIdle();
        _marks.RemoveAll(m => m.To == id && m.Consumed);
    }

    // The chart.
    private IEnumerable<(string S, string P, string T)> Out(string id) => _arrows.Where(a => a.S == id).Distinct().ToList();

    private HashSet<string> Upstream(string id)
    {
        var found = new HashSet<string>();
        void Add(string x)
        {
            foreach (var arrow in _forward.Where(a => a.T == x))
            {
                if (found.Add(arrow.S))
                    Add(arrow.S);
            }
        }

        Add(id);
        return found;
    }

    private void SortArrows()
    {
        var edges = new List<(string S, string T)>();
        bool Path(string from, string to) => from == to || edges.Exists(e => e.S == from && Path(e.T, to));
        var visited = new HashSet<string>();
        var todo = new Queue<string>([_start]);
        while (todo.TryDequeue(out var source))
        {
            visited.Add(source);
            foreach (var (_, _, target) in _arrows.Where(a => a.S == source))
            {
                if (edges.Contains((source, target)) || Path(target, source))
                    continue;
                edges.Add((source, target));
                if (!visited.Contains(target))
                    todo.Enqueue(target);
            }
        }

        _forward.AddRange(_arrows.Where(a => edges.Contains((a.S, a.T))));
    }

    /// <summary>Walks every forward path from the source back to the start.</summary>
    private bool MayGoBack(string source, string target)
    {
        bool AllPathsPass(string at, List<string> path)
        {
            if (at == _start)
                return path.Contains(target);
            return _forward.Where(a => a.T == at && !path.Contains(a.S)).All(a => AllPathsPass(a.S, [.. path, a.S]));
        }

        return AllPathsPass(source, [source]);
    }

    private sealed class Mark(string from, string port, string to)
    {
        public string From { get; } = from;
        public string Port { get; } = port;
        public string To { get; } = to;
        public bool Consumed { get; set; }
        public bool Blocked { get; init; }
        public bool Live => !Consumed && !Blocked;
    }
}
