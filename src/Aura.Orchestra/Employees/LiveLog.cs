using System.Text;
using System.Threading.Channels;
using Aura.Orchestra.Employees.Prompting;

namespace Aura.Orchestra.Employees;

/// <summary>
/// What an employee says while it works, on its way to the job's log: whole lines, without secrets and hidden characters, a
/// batch at a time and in order. Disposing it waits until everything is written.
/// </summary>
internal sealed class LiveLog : IAsyncDisposable
{
    private const int LongestLine = 2000;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly SecretRedactor _redactor;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly StringBuilder _open = new();
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>(new() { SingleReader = true });
    private readonly Task _writing;

    public LiveLog(Func<string, Task> write, SecretRedactor redactor, TimeProvider time)
    {
        (_redactor, _time) = (redactor, time);
        _writing = WriteAsync(write);
    }

    /// <summary>A piece of running text; it is written once its line is whole, because half a secret cannot be recognised.</summary>
    public void Piece(string text)
    {
        lock (_gate)
        {
            _open.Append(text);
            if (text.Contains('\n', StringComparison.Ordinal) || _open.Length > LongestLine)
                Flush(whole: _open.Length > LongestLine);
        }
    }

    /// <summary>A line of its own.</summary>
    public void Line(string text)
    {
        lock (_gate)
        {
            Flush(whole: true);
            Send(text);
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
            Flush(whole: true);
        _lines.Writer.Complete();
        await _writing;
    }

    private void Flush(bool whole)
    {
        var text = _open.ToString();
        var end = whole ? text.Length : text.LastIndexOf('\n') + 1;
        _open.Clear().Append(text[end..]);
        if (end > 0)
            Send(text[..end].TrimEnd('\n'));
    }

    private void Send(string text) => _lines.Writer.TryWrite(_redactor.CleanLog(HiddenText.Strip(text).Text));

    private async Task WriteAsync(Func<string, Task> write)
    {
        var batch = new StringBuilder();
        while (await _lines.Reader.WaitToReadAsync())
        {
            while (_lines.Reader.TryRead(out var line))
                batch.Append(line).Append('\n');
            try
            {
                await write(batch.ToString());
            }
            // A log that cannot be written (disk full, folder gone) must not stop the work it tells of.
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }

            batch.Clear();
            // Models speak in syllables; the file is opened a few times a second at most.
            if (!_lines.Reader.Completion.IsCompleted)
                await Task.WhenAny(Task.Delay(Pause, _time), _lines.Reader.Completion);
        }
    }
}
