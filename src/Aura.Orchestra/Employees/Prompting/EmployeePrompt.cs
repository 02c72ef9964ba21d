using System.Text;
using Aura.Orchestra.Sandboxes;

namespace Aura.Orchestra.Employees.Prompting;

/// <summary>What a model is told. Whatever others wrote stands between the fence's marks.</summary>
internal static class EmployeePrompt
{
    private const int MaxReport = 12_000;

    private const string Rules =
        """
        - Look at the files you change, and at the tests, before you write.
        - Keep to the job and to the paths it allows.
        - Never edit, delete, skip or weaken existing tests: they are restored before your work is judged, and trying counts against you.
        - Your result is judged by running the tests and flake8 in isolation, without network. What you say about it is not believed.
        """;

    /// <summary>For a model that works through tools.</summary>
    public static string System(DataFence fence) =>
        $"""
        You are an employee of a software organisation. You work on one job in a sandbox copy of a project, only through the tools.
        Rules:
        {Rules}
        - A refused tool call tells you why; do something else then. You cannot run anything yourself.
        - When the work is complete call submit_work once. Be honest in its confidence.
        {fence.Explanation}
        """;

    /// <summary>For a command-line agent, which has the files before it.</summary>
    public static string Agent(EmployeeRequest request, DataFence fence, bool answersWithPatch, string? files) =>
        $"""
        You are an employee of a software organisation. You work on one job alone; nobody answers questions.
        {(answersWithPatch
            ? "Answer with one unified diff (--- a/path, +++ b/path, @@ hunks) in a ```diff block, made against the files below. Nothing else of your answer is used."
            : "The project's files are in the current directory, a copy of your own. Change them there; make no commits. Your changes are taken from there when you end.")}
        Rules:
        {Rules}
        - When you are done, say in a few sentences what you changed,
            and end with a line such as: CONFIDENCE: 0.8 (0 to 1, how likely all tests pass).
        {fence.Explanation}

        {Of(request, fence)}{(files is null ? "" : $"\n{files}\n")}
        """;

    /// <summary>Said once to a model that talks instead of working.</summary>
    public const string Nudge =
        "Nothing was changed yet. Use the tools to do the job, then call submit_work. If the job cannot be done, call submit_work and say why.";

    /// <summary>Said near the end of the turns.</summary>
    public static string FewTurnsLeft(int turns) => $"[{turns} answers are left for this attempt. Finish what matters most and call submit_work.]";

    /// <summary>The job.</summary>
    public static string Of(EmployeeRequest request, DataFence fence, string? map = null)
    {
        var text = new StringBuilder()
            .Append($"Project: {fence.Inline(request.ProjectName)}\nPRD: {fence.Inline(request.PrdTitle)}\nJob: {fence.Inline(request.Title)}\n")
            .Append($"Attempt {request.Attempt} of {request.MaxAttempts}\n");
        text.Append(request.AllowedPaths.Count > 0
            ? $"You may write only: {fence.Inline(string.Join(", ", request.AllowedPaths))}\n"
            : "You may write anywhere in the project.\n");
        if (!string.IsNullOrWhiteSpace(request.Description))
            text.Append($"\nWhat is to be done:\n{fence.Wrap("the requirement", request.Description.Trim())}\n");
        if (!string.IsNullOrWhiteSpace(map))
            text.Append($"\nThe project's files:\n{fence.Wrap("the project", map)}\n");
        Report(text, fence, "The attempt before failed. The validator's report", request.PreviousFailure);
        Report(text, fence, "An earlier result of this job collided with other jobs' work that is on the branch now. Do the job again on top of it",
            request.Conflict);
        return text.ToString();
    }

    private static void Report(StringBuilder text, DataFence fence, string heading, string? report)
    {
        if (string.IsNullOrWhiteSpace(report))
            return;
        var bounded = RunLog.Bounded(report, MaxReport, MaxReport / 2).Trim();
        text.Append($"\n{heading}:\n{fence.Wrap("the validator", bounded)}\n");
    }
}
