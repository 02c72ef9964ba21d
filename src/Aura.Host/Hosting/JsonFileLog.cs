using System.Collections.Concurrent;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Aura.Host.Hosting;

/// <summary>Writes the log as JSON lines to one file, which is moved aside when it is full; the one before is kept.</summary>
internal sealed class JsonFileLog : ILoggerProvider
{
    private const long MaxBytes = 20 << 20;
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly BlockingCollection<string> _lines = new(10_000);
    private readonly TimeProvider _time;
    private readonly Thread _writer;

    public JsonFileLog(string path, TimeProvider time)
    {
        _time = time;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _writer = new Thread(() => Write(path)) { IsBackground = true, Name = "aura-log" };
        _writer.Start();
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
        _lines.CompleteAdding();
        _writer.Join(TimeSpan.FromSeconds(2));
    }

    private void Write(string path)
    {
        var file = Open(path);
        try
        {
            foreach (var line in _lines.GetConsumingEnumerable())
            {
                if (file.BaseStream.Length > MaxBytes)
                {
                    file.Dispose();
                    File.Move(path, path + ".1", overwrite: true);
                    file = Open(path);
                }

                file.WriteLine(line);
                if (_lines.Count == 0)
                    file.Flush();
            }
        }
        catch (IOException)
        {
            // A full disk must not take the process with it; the console still has the log.
        }
        finally
        {
            file.Dispose();
        }
    }

    private static StreamWriter Open(string path) => new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));

    private sealed class Logger(JsonFileLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var line = JsonSerializer.Serialize(new
            {
                timestamp = log._time.GetUtcNow(),
                level = logLevel.ToString(),
                id = eventId.Id,
                category,
                message = formatter(state, exception),
                exception = exception?.ToString(),
            }, Json);
            // Full: the process is more important than its log.
            if (!log._lines.IsAddingCompleted)
                log._lines.TryAdd(line);
        }
    }
}
