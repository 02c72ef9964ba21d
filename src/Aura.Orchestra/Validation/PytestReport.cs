using System.Text;
using System.Text.Json;
using System.Xml;
using System.Xml.Linq;

namespace Aura.Orchestra.Validation;

/// <summary>How one test ended. An unexpected pass of an xfail test is <see cref="Passed"/>.</summary>
public enum TestOutcome
{
    Passed,
    Failed,

    /// <summary>Its set-up or tear-down failed, or its file could not be imported.</summary>
    Error,
    Skipped,
    ExpectedFailure,
}

/// <param name="Id">pytest's node id, <c>tests/test_a.py::TestX::test_y[1]</c>; of a file that could not be imported, its path.</param>
/// <param name="Message">What pytest says; empty when passed.</param>
public sealed record TestResult(string Id, TestOutcome Outcome, string Message);

/// <summary>
/// What came out of a jailed pytest run, read without trust: the code under test shares the process with pytest and could
/// write any of it. So nothing counts unless two accounts of the run agree (the streamed results and the junit file) and a
/// test that must fail is reported as failed. Pure.
/// </summary>
public sealed record PytestReport
{
    public IReadOnlyList<TestResult> Tests { get; init; } = [];
    public IReadOnlyList<string> Collected { get; init; } = [];
    public IReadOnlyList<string> Deselected { get; init; } = [];

    /// <summary>Tests found in the text of protected files, without running anything.</summary>
    public IReadOnlyList<string> Declared { get; init; } = [];

    /// <summary>0..1, or null when it was not measured.</summary>
    public double? Coverage { get; init; }

    /// <summary>The test that had started and not ended when the run was cut off.</summary>
    public string? Running { get; init; }

    public bool DiskFull { get; init; }

    /// <summary>The exit code of the pytest process; negative for a signal; null when it never ended.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Why this report must not be believed; empty when it may.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Reads the lines of <c>aura_supervise.py</c>.</summary>
    /// <param name="output">The jail's standard output.</param>
    /// <param name="nonce">Every line must carry it.</param>
    /// <param name="canary">The name of the test that must fail, with <paramref name="secret"/> as its message.</param>
    /// <param name="secret">See <paramref name="canary"/>.</param>
    /// <param name="complete">False when the jail was cut off: then missing parts are no problem of their own.</param>
    public static PytestReport Parse(string output, string nonce, string canary, string secret, bool complete)
    {
        ArgumentNullException.ThrowIfNull(output);
        var reader = new Reader(nonce, canary, secret);
        foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            reader.Add(line);
        return reader.Finish(complete);
    }

    private sealed class Reader(string nonce, string canary, string secret)
    {
        private readonly List<string> _order = [];
        private readonly Dictionary<string, TestResult> _results = new(StringComparer.Ordinal);
        private readonly HashSet<(string Id, string When)> _seen = [];
        private readonly HashSet<string> _collected = new(StringComparer.Ordinal);
        private readonly List<string> _collectedInOrder = [];
        private readonly List<string> _deselected = [];
        private readonly List<string> _declared = [];
        private readonly List<string> _problems = [];
        private readonly HashSet<string> _collectSkips = new(StringComparer.Ordinal);
        private bool _canaryFailed;
        private string? _sessionTearDown;
        private bool _badLines;
        private bool _diskFull;
        private double? _coverage;
        private string? _running;
        private string? _junit;
        private string? _copyFailed;
        private int? _session;
        private int? _exit;
        private bool _ended;

        public void Add(string line)
        {
            try
            {
                using var document = JsonDocument.Parse(line);
                var root = document.RootElement;
                if (Text(root, "nonce") != nonce || _ended)
                    _badLines = true;
                else
                    Add(Text(root, "kind"), root);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
            {
                // Not our writer's line: a test has found the pipe.
                _badLines = true;
            }
        }

        public PytestReport Finish(bool complete)
        {
            if (_badLines)
                _problems.Add("Something other than the test reporter wrote into the result stream.");
            if (_copyFailed is not null)
                _problems.Add($"The tree could not be copied into the jail: {_copyFailed}");
            else if (complete)
                CheckEnd();
            if (_sessionTearDown is not null)
                Set("(end of the session)", TestOutcome.Error, _sessionTearDown);
            var tests = _order.Select(id => _results[id]).ToList();
            return new()
            {
                Tests = tests,
                Collected = _collectedInOrder,
                Deselected = _deselected,
                Declared = _declared,
                Coverage = _coverage,
                Running = _running,
                DiskFull = _diskFull,
                ExitCode = _exit,
                Problems = _problems,
            };
        }

        private void Add(string kind, JsonElement line)
        {
            if (_session is not null && kind is not ("junit" or "end"))
            {
                _problems.Add("Results were reported after the end of the test session.");
                return;
            }

            switch (kind)
            {
                case "declared":
                    _declared.Add(Text(line, "id"));
                    break;
                case "collected" when !IsCanary(Text(line, "id")):
                    if (_collected.Add(Text(line, "id")))
                        _collectedInOrder.Add(Text(line, "id"));
                    break;
                case "deselected":
                    _deselected.Add(Text(line, "id"));
                    break;
                case "collect_error":
                    Set(Text(line, "id"), TestOutcome.Error, Text(line, "text"));
                    break;
                case "collect_skip":
                    _collectSkips.Add(Text(line, "id"));
                    Set(Text(line, "id"), TestOutcome.Skipped, Text(line, "text"));
                    break;
                case "start":
                    _running = IsCanary(Text(line, "id")) ? null : Text(line, "id");
                    break;
                case "result":
                    AddResult(Text(line, "id"), Text(line, "when"), Text(line, "outcome"), line.GetProperty("xfail").GetBoolean(), Text(line, "text"));
                    break;
                case "coverage" when line.TryGetProperty("totals", out var totals):
                    _coverage = Math.Clamp(totals.GetProperty("percent_covered").GetDouble() / 100, 0, 1);
                    break;
                case "session":
                    _session = line.GetProperty("exit").GetInt32();
                    break;
                case "junit":
                    _junit = line.TryGetProperty("data", out var data) ? Encoding.UTF8.GetString(data.GetBytesFromBase64()) : null;
                    break;
                case "end":
                    _ended = true;
                    _diskFull = line.GetProperty("disk_full").GetBoolean();
                    _exit = line.GetProperty("exit") is { ValueKind: JsonValueKind.Number } exit ? exit.GetInt32() : null;
                    _copyFailed = line.TryGetProperty("copy_failed", out var failed) ? failed.GetString() : null;
                    break;
                default:
                    break;
            }
        }

        private void AddResult(string id, string when, string outcome, bool expected, string text)
        {
            _running = null;
            if (IsCanary(id))
            {
                _canaryFailed |= when == "call" && outcome == "failed" && text == secret;
                // What lives as long as the session is torn down after its last test, which is ours.
                if (when == "teardown" && outcome == "failed")
                    _sessionTearDown = text;
                return;
            }

            if (!_collected.Contains(id))
                _problems.Add($"A result was reported for '{id}', which was not collected.");
            if (!_seen.Add((id, when)))
                _problems.Add($"'{id}' was reported twice.");
            var ended = (when, outcome) switch
            {
                (_, "passed") => TestOutcome.Passed,
                (_, "skipped") when expected => TestOutcome.ExpectedFailure,
                (_, "skipped") => TestOutcome.Skipped,
                ("call", _) => TestOutcome.Failed,
                _ => TestOutcome.Error,
            };
            // A tear-down may only make a result worse.
            if (!_results.TryGetValue(id, out var earlier) || earlier.Outcome != TestOutcome.Failed)
                Set(id, ended, text);
        }

        private void Set(string id, TestOutcome outcome, string text)
        {
            if (!_results.ContainsKey(id))
                _order.Add(id);
            _results[id] = new(id, outcome, text);
        }

        private void CheckEnd()
        {
            if (_exit is 4 or 5 or 3 && _session == _exit)
            {
                _problems.Add($"pytest could not run the tests (exit code {_exit}); see its output.");
                return;
            }

            // With a test that must fail, 1 is the only exit code of a run that reached its end.
            if (_session is null || _exit != _session || _session != 1)
                _problems.Add($"The test process ended before pytest was done (exit code {_exit?.ToString() ?? "unknown"}).");
            if (!_canaryFailed)
                _problems.Add("The control test, which must fail, was not reported as failed: the run was cut short or tampered with.");
            var unfinished = _collectedInOrder.Where(id => !_results.ContainsKey(id)).ToList();
            if (unfinished.Count > 0)
                _problems.Add($"{unfinished.Count} collected tests have no result, the first is '{unfinished[0]}'.");
            if (CompareJunit() is { } difference)
                _problems.Add(difference);
        }

        // junit names tests by class and name, not by id: compared are the numbers of distinct test cases of each kind.
        private string? CompareJunit()
        {
            if (_junit is null)
                return "pytest's junit file is missing or too large.";
            try
            {
                using var text = new StringReader(_junit);
                using var xml = XmlReader.Create(text, new() { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
                var cases = XDocument.Load(xml).Descendants("testcase")
                    .Where(c => !IsCanary((string?)c.Attribute("name") ?? ""))
                    .GroupBy(c => ((string?)c.Attribute("classname"), (string?)c.Attribute("name")))
                    .Select(g => g.SelectMany(c => c.Elements()).Select(e => e.Name.LocalName).ToHashSet())
                    .ToList();
                var bad = cases.Count(c => c.Contains("failure") || c.Contains("error"));
                var skipped = cases.Count(c => c.Contains("skipped") && !c.Contains("failure") && !c.Contains("error"));
                var ourBad = _results.Values.Count(r => r.Outcome is TestOutcome.Failed or TestOutcome.Error);
                var ourSkipped = _results.Values.Count(r => r.Outcome is TestOutcome.Skipped or TestOutcome.ExpectedFailure);
                return bad == ourBad && skipped == ourSkipped && cases.Count == _results.Count
                    ? null
                    : $"The junit file ({cases.Count} tests, {bad} failed, {skipped} skipped) and the streamed results "
                        + $"({_results.Count} tests, {ourBad} failed, {ourSkipped} skipped) do not agree.";
            }
            catch (XmlException e)
            {
                return $"pytest's junit file is not valid XML: {e.Message}";
            }
        }

        private bool IsCanary(string id) => id.EndsWith(canary, StringComparison.Ordinal);

        // NUL is legal in JSON and in no text column.
        private static string Text(JsonElement line, string name) =>
            (line.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "").Replace("\0", "\\0", StringComparison.Ordinal);
    }
}
