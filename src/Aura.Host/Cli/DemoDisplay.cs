using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Aura.Host.Cli;

/// <summary>Shows a demo's life: a live table on a terminal, plain lines when redirected, or one JSON object a line.</summary>
internal sealed class DemoDisplay(bool isJson)
{
    private const int Recent = 8;
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly Queue<string> _lines = new();

    public bool IsLive { get; } = !isJson && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null
        && AnsiConsole.Profile.Capabilities.Ansi;

    public void Say(string text, string eventName = "note")
    {
        if (isJson)
            Write(new { @event = eventName, message = text });
        else
            Console.WriteLine(text);
    }

    public static void Write(object value) => Console.WriteLine(JsonSerializer.Serialize(value, Plain));

    public void Show(FeedEvent e, DemoBoard board)
    {
        if (isJson)
        {
            Write(new { @event = e.Type, id = e.Id, prd_id = e.Text("prd_id"), job_id = e.Text("job_id"), data = e.Details, created_at = e.At });
            return;
        }

        // Snapshots and single ticks are many; the table and the job's page have them.
        if (e.Type is "job.snapshot" or "job.choice")
            return;
        var line = EventLine.Of(e, id => board.Jobs.FirstOrDefault(j => j.Id == id)?.Title is { Length: > 0 } title ? title : null);
        if (!IsLive)
        {
            Console.WriteLine(line);
            return;
        }

        _lines.Enqueue(line);
        while (_lines.Count > Recent)
            _lines.Dequeue();
    }

    public IRenderable Render(string title, DemoBoard board)
    {
        var table = new Table().Border(TableBorder.Rounded).Title($"[bold]{Markup.Escape(title)}[/]  {Markup.Escape(board.Status)}")
            .AddColumns("job", "status", "model", "attempt", "score", "ticks");
        foreach (var job in board.Jobs)
        {
            table.AddRow(
                Markup.Escape(job.Title), Coloured(job.Status), Markup.Escape(job.Model ?? "–"), job.Attempt == 0 ? "–" : job.Attempt.ToString(CultureInfo.InvariantCulture),
                job.Score?.ToString("0.00", CultureInfo.InvariantCulture) ?? "–",
                string.Join(' ', job.Ticks.Select(t => t.Passed ? $"[green]✓{Markup.Escape(t.Name)}[/]" : $"[red]✗{Markup.Escape(t.Name)}[/]")));
        }

        return new Rows(table, new Markup(string.Join('\n', _lines.Select(l => $"[grey]{Markup.Escape(l)}[/]"))));
    }

    private static string Coloured(string status) => status switch
    {
        "COMPLETED" or "INTEGRATED" => $"[green]{status}[/]",
        "ESCALATED" or "FAILED" or "CANCELLED" => $"[red]{status}[/]",
        "IN_PROGRESS" or "VALIDATING" => $"[yellow]{status}[/]",
        _ => status,
    };
}
