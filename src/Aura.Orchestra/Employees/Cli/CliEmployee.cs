using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Aura.Orchestra.Employees.Chat;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Employees.Prompting;
using Aura.Orchestra.Sandboxes;
using Aura.Orchestra.Tools;
using Aura.Orchestra.Validation;
using Microsoft.Extensions.Logging;

namespace Aura.Orchestra.Employees.Cli;

/// <summary>Lets a command-line agent work on a copy of the sandbox inside the jail, and takes its changes back through the tools.</summary>
internal sealed partial class CliEmployee(
    EmployeeOptions options, Lazy<Jail> jail, ModelCalls calls, SecretRedactor redactor, TimeProvider time, ILogger<CliEmployee> logger)
        : IEmployeeAdapter
{
    private const int MaxTranscript = 24_000;
    private const int MaxExplanation = 2000;
    private const int MaxFilesInPrompt = 60_000;
    private const int MaxPrompt = 120_000;
    private const string ExitLine = "agent-exit ";
    private static readonly TimeSpan Overhead = TimeSpan.FromSeconds(60);

    public string Backend => EmployeeBackends.Cli;

    public async Task<EmployeeResult> WorkAsync(EmployeeRequest request, IEmployeeTools tools, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(tools);
        var agent = options.Agents.FirstOrDefault(a => a.Name == request.Model);
        var work =
            new Work(new Toolbox(tools),
            new($"Backend '{Backend}', agent '{request.Model}'{(agent is null ? "" : $", {agent.Command}, {(agent.HostNetwork ? "with the host's network" : "without network")}")}.", redactor));
        using var span = EmployeeTelemetry.Attempt(request, Backend);
        var problem = agent is null
            ? $"There is no agent '{request.Model}' in employees.json. Agents: {(options.Agents.Count > 0 ? string.Join(", ", options.Agents.Select(a => a.Name)) : "none")}."
            : agent.Problem();
        var result = problem is null ? await RunAsync(agent!, request, tools, work, cancellationToken)
            : work.Finish(EmployeeFinish.Misconfigured, problem);
        EmployeeTelemetry.End(span, result);
        LogFinished(logger, request.JobId, request.Attempt, request.Model, result.FinishReason, result.Artifacts.Count);
        return result;
    }

    private async Task<EmployeeResult> RunAsync(CliAgent agent, EmployeeRequest request, IEmployeeTools tools, Work work,
        CancellationToken cancellationToken)
    {
        using var copy = await CliWorkCopy.CreateAsync(request.WorkDirectory, tools, cancellationToken);
        if (copy.Problem is { } incomplete)
            return work.Finish(EmployeeFinish.Unavailable, $"The project could not be copied for the agent. {incomplete}");
        if (copy.LeftOut > 0)
            work.Protocol.Add($"{copy.LeftOut} of {copy.LeftOut + copy.Files.Count} files are not in the agent's copy: they cannot be read as text");
        await using var log = request.Log is { } write ? new LiveLog(write, redactor, time) : null;
        var fence = new DataFence(redactor);
        var files = agent.Changes == AgentChanges.Patch ? await FilesAsync(copy, request.AllowedPaths, fence, cancellationToken) : null;
        var prompt = EmployeePrompt.Agent(request, fence, agent.Changes == AgentChanges.Patch, files);
        // One argument can have 128 KB.
        var longest = agent.PromptOnInput ? MaxPrompt : MaxPrompt / 4;
        if (prompt.Length > longest)
            prompt = prompt[..longest] + "\n… the rest was left out …\n";
        var limit = agent.TimeLimit ?? options.TimeLimit;
        var (started, startedAt) = (time.GetTimestamp(), time.GetUtcNow());
        JailResult run;
        try
        {
            run = await jail.Value.RunAsync(JailRequestOf(agent, request, copy, prompt, limit, log), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await calls.RecordAsync(Row("Cancelled", "cancelled"));
            throw;
        }

        var transcript = HiddenText.Strip(run.StandardError.ReplaceLineEndings("\n")).Text.Trim();
        work.Protocol.Add($"{Command(agent)}: {run.Detail}");
        work.Transcript = RunLog.Bounded(transcript, MaxTranscript, MaxTranscript / 3);
        var (code, patch) = Told(run.StandardOutput);
        if (agent.Changes == AgentChanges.Patch)
            patch = PatchIn(transcript);
        if (code is 0 or 124 or 137 or null || agent.ExitCodes.ContainsKey(code.Value))
            await TakeAsync(patch, work, cancellationToken);
        var (finish, why) = FinishOf(agent, run, code, limit);
        await calls.RecordAsync(
            Row(finish == EmployeeFinish.Completed ? "stop" : finish.ToString(),
            finish == EmployeeFinish.Completed ? null : code is null ? run.End.ToString() : $"exit_{code}"));
        var said = transcript.Length > MaxExplanation ? "…" + transcript[^MaxExplanation..] : transcript;
        return work.Finish(finish,
            finish == EmployeeFinish.Completed ? said.Length > 0 ? said : "The agent ended without a word." : $"{why} {said}".Trim(),
            ConfidenceIn(transcript));

        ModelCall Row(string end, string? error) => new()
        {
            Purpose = "work",
            PrdId = request.PrdId,
            JobId = request.JobId,
            Attempt = request.Attempt,
            Backend = Backend,
            Model = agent.Name,
            Latency = time.GetElapsedTime(started),
            Finish = end,
            ErrorCode = error,
            StartedAt = startedAt,
        };
    }

    private JailRequest JailRequestOf(CliAgent agent, EmployeeRequest request, CliWorkCopy copy, string prompt, TimeSpan limit, LiveLog? log)
    {
        var decoder = new LiveOutput(log);
        return new()
        {
            Mounts = [new(copy.Folder, "project")],
            SystemPaths = agent.Mounts,
            HostNetwork = agent.HostNetwork,
            Environment = EnvironmentOf(agent),
            StandardInput = prompt,
            WallTime = limit + Overhead,
            MemoryBytes = agent.MemoryBytes,
            CpuTime = agent.CpuTime,
            MaxProcesses = agent.MaxProcesses,
            OnOutput = decoder.Add,
            Command = paths =>
            [
                "/bin/sh", "-c", Script(), "sh", paths.Workspace, paths.Mounts["project"],
                    ((int)Math.Ceiling(limit.TotalSeconds)).ToString(CultureInfo.InvariantCulture),
                options.AgentJail.Isolation == Isolation.Bubblewrap ? "yes" : "no", agent.PromptOnInput ? "prompt" : "none",
                agent.Found ?? agent.Command, .. agent.Arguments.Select(a => Filled(a, agent, request, paths.Workspace, prompt)),
            ],
        };
    }

    private static Dictionary<string, string> EnvironmentOf(CliAgent agent)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = string.Join(':', CliAgents.SearchPath) };
        foreach (var (name, value) in agent.Environment)
            environment[name] = value;
        foreach (var (name, value) in agent.Secrets)
            environment[name] = value!;
        return environment;
    }

    private static string Filled(string argument, CliAgent agent, EmployeeRequest request, string workspace, string prompt) =>
        CliAgents.Placeholder().Replace(argument, m => m.Groups["name"].Value switch
        {
            "prompt" => prompt,
            "prompt_file" => $"{workspace}/prompt.md",
            "model" => agent.Model ?? "",
            "workspace" => $"{workspace}/project",
            "job_id" => request.JobId,
            "attempt" => request.Attempt.ToString(CultureInfo.InvariantCulture),
            _ => m.Value,
        });

    /// <summary>As a whole; when that is refused file by file, so that one path out of scope does not cost the rest. The tools decide, as for any
    /// employee.</summary>
    private static async Task TakeAsync(string patch, Work work, CancellationToken cancellationToken)
    {
        if (patch.Length == 0)
            return;
        var whole = await ApplyAsync(patch);
        for (var again = 0; again < 3 && whole.RefusalCode == ToolCodes.OutcomeUnknown && !await IsChangedAsync(); again++)
            whole = await ApplyAsync(patch);
        if (whole.RefusalCode is null or ToolCodes.OutcomeUnknown)
            return;
        var parts = PartStart().Split(patch).Where(p => p.Length > 0).ToList();
        foreach (var part in parts.Count > 1 ? parts : [])
            await ApplyAsync(part);

        // The patch is the attempt's first change: it was applied when there is any.
        async Task<bool> IsChangedAsync()
        {
            var answer = await work.Toolbox.CallAsync(ToolNames.Diff, JsonSerializer.SerializeToElement(new { }), cancellationToken);
            return answer.Structured is not { } told || !told.TryGetProperty("diff", out var diff) || diff.GetString() is not "";
        }

        async Task<ToolResult> ApplyAsync(string text)
        {
            var arguments = JsonSerializer.SerializeToElement(new { patch = text });
            var result = await work.Toolbox.CallAsync(ToolNames.ApplyPatch, arguments, cancellationToken);
            work.Protocol.Add(work.Toolbox.Calls[^1], result);
            return result;
        }
    }

    private static (EmployeeFinish Finish, string Why) FinishOf(CliAgent agent, JailResult run, int? code, TimeSpan limit) => (run.End, code) switch
    {
        (JailEnd.Unavailable, _) => (EmployeeFinish.Misconfigured, run.Detail),
        (JailEnd.TimedOut, _) => (EmployeeFinish.TimeLimit, run.Detail),
        (not JailEnd.Exited, _) => (EmployeeFinish.Failed, run.Detail),
        (_, null) => (EmployeeFinish.Failed, "The agent could not be run."),
        (_, { } known) when agent.ExitCodes.TryGetValue(known, out var finish) => (finish, $"The agent ended with exit code {known}."),
        (_, 0) => (EmployeeFinish.Completed, ""),
        (_, 124 or 137) => (EmployeeFinish.TimeLimit, $"The agent was ended at its time limit of {limit.TotalSeconds:0} s."),
        (_, 126 or 127) => (EmployeeFinish.Misconfigured, $"The command '{agent.Command}' cannot be started in the jail (exit code {code})."),
        _ => (EmployeeFinish.Failed, $"The agent ended with exit code {code}."),
    };

    private static (int? Code, string Patch) Told(string output)
    {
        if (!output.StartsWith(ExitLine, StringComparison.Ordinal))
            return (null, "");
        var end = output.IndexOf('\n', StringComparison.Ordinal);
        return end > 0 && int.TryParse(output[ExitLine.Length..end], CultureInfo.InvariantCulture, out var code) ? (code, output[(end + 1)..])
            : (null, "");
    }

    /// <summary>The last diff of an answer: in a fence, or bare from its first header on.</summary>
    internal static string PatchIn(string answer)
    {
        if (FencedDiff().Matches(answer) is { Count: > 0 } fenced)
            return fenced[^1].Groups["diff"].Value;
        return BareDiff().Match(answer) is { Success: true } bare ? bare.Value : "";
    }

    internal static double? ConfidenceIn(string transcript) =>
        ConfidenceLine().Matches(transcript) is { Count: > 0 } lines
        && double.TryParse(lines[^1].Groups["value"].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            ? Math.Clamp(value, 0, 1) : null;

    private static async Task<string> FilesAsync(CliWorkCopy copy, IReadOnlyList<string> allowed, DataFence fence,
        CancellationToken cancellationToken)
    {
        var scope = allowed.Select(p => new Glob(p)).ToList();
        var text = new StringBuilder($"All files:\n{fence.Wrap("the project", ProjectMap.Of(copy.Files, 6000))}\n");
        // What it may change comes first; the rest as far as there is room.
        foreach (var file in copy.Files.OrderByDescending(f => scope.Exists(g => g.Matches(f))))
        {
            var path = Path.Combine(copy.Folder, file);
            // Three bytes are one character at least: what is too long by that is not even read.
            if (new FileInfo(path).Length / 3 > MaxFilesInPrompt - text.Length)
                continue;
            var content = await File.ReadAllTextAsync(path, cancellationToken);
            if (content.Contains('\0', StringComparison.Ordinal) || text.Length + content.Length > MaxFilesInPrompt)
                continue;
            text.Append(fence.Wrap($"the file {file}", content)).Append('\n');
        }

        return text.ToString();
    }

    private static string Command(CliAgent agent) => string.Join(' ', [agent.Command, .. agent.Arguments]);

    private static string Script()
    {
        using var stream = typeof(CliEmployee)
            .Assembly.GetManifestResourceStream("agent.sh") ?? throw new InvalidOperationException("agent.sh is not embedded.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex(@"(?m)^(?=diff --git )", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PartStart();

    [GeneratedRegex(@"(?m)^```(diff|patch)[^\n]*\n(?<diff>(?:(?!^```)[^\n]*\n)*)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex FencedDiff();

    [GeneratedRegex(@"(?ms)^(diff --git |--- (a/|/dev/null)).*\z", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex BareDiff();

    [GeneratedRegex(@"(?mi)^\W*confidence:\W*(?<value>[01](\.[0-9]+)?)\W*$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ConfidenceLine();

    [LoggerMessage(EventId = 3121, Level = LogLevel.Information,
        Message = "Agent finished {JobId} attempt {Attempt}: {Agent} {Finish}, {Files} files")]
    private static partial void LogFinished(ILogger logger, string jobId, int attempt, string agent, EmployeeFinish finish, int files);

    /// <summary>The agent's output on its way to the log, without the patch at its end.</summary>
    private sealed class LiveOutput(LiveLog? log)
    {
        private readonly Lock _gate = new();
        private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
        private bool _ended;

        public void Add(ReadOnlyMemory<byte> piece)
        {
            if (log is null)
                return;
            lock (_gate)
            {
                _ended |= piece.Span.StartsWith(Encoding.UTF8.GetBytes(ExitLine));
                if (_ended)
                    return;
                var characters = new char[_decoder.GetCharCount(piece.Span, flush: false)];
                _decoder.GetChars(piece.Span, characters, flush: false);
                log.Piece(new(characters));
            }
        }
    }

    private sealed class Work(Toolbox toolbox, WorkProtocol protocol)
    {
        public Toolbox Toolbox => toolbox;
        public WorkProtocol Protocol => protocol;
        public string Transcript { get; set; } = "";

        public EmployeeResult Finish(EmployeeFinish finish, string explanation, double? confidence = null)
        {
            if (finish != EmployeeFinish.Completed)
                protocol.Add($"stopped ({finish}): {explanation}");
            return new()
            {
                Output = Transcript.Length > 0 ? $"{protocol}--- what it said ---\n{protocol.Clean(Transcript)}\n" : protocol.ToString(),
                Explanation = protocol.Clean(explanation),
                SelfConfidence = confidence,
                Artifacts = toolbox.Artifacts,
                ToolCalls = toolbox.Calls,
                FinishReason = finish,
            };
        }
    }
}
