using System.ComponentModel.DataAnnotations;

namespace Aura.Workflows.Activities;

/// <summary>
/// Asks the host for something that no activity does, and waits for its answer. The request is the bookmark's payload
/// (<c>taskId</c>, <c>taskName</c>, <c>payload</c>); the answer is the stimulus <c>Elsa.RunTask</c> with that task id.
/// </summary>
[Activity("Elsa", "Primitives", "Asks the host's application to do something, and waits for its answer.")]
public sealed class RunTask : CodeActivity<object>
{
    internal const string StimulusName = "Elsa.RunTask";
    internal const string InputKey = "RunTaskInput";
    private const string Request = "Request";

    [Required]
    [Input(DisplayName = "Task name", Description = "The name of the task being requested.")]
    public Input<string>? TaskName { get; set; }

    [Input(Description = "Any additional parameters to send to the task.")]
    public Input<IDictionary<string, object?>>? Payload { get; set; }

    protected override void Execute(ActivityExecutionContext context)
    {
        var request = new TaskRequest(WorkflowExecutionContext.NewId(), context.Get(TaskName) ?? "", context.Get(Payload));
        context.SetProperty(Request, WorkflowJson.ToPlain(request));
        Record(context, request);
        // Whoever answers knows the task's id only.
        context.CreateBookmark(new CreateBookmarkArgs
        {
            BookmarkName = StimulusName,
            Stimulus = new { request.TaskId },
            Payload = request,
            Callback = OnAnsweredAsync,
        });
    }

    private ValueTask OnAnsweredAsync(ActivityExecutionContext context)
    {
        Record(context, context.GetProperty<TaskRequest>(Request)!);
        context.Set(Result, context.WorkflowInput.GetValueOrDefault(InputKey));
        return context.CompleteActivityAsync();
    }

    private static void Record(ActivityExecutionContext context, TaskRequest request)
    {
        context.JournalData["TaskId"] = request.TaskId;
        context.JournalData["TaskName"] = request.TaskName;
        context.JournalData["Payload"] = request.Payload;
    }
}

/// <summary>What the host is asked for.</summary>
internal sealed record TaskRequest(string TaskId, string TaskName, IDictionary<string, object?>? Payload);
