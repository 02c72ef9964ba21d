using System.Text;
using Aura.Orchestra.Employees.Prompting;

namespace Aura.Orchestra.Employees;

/// <summary>The readable protocol of one attempt: head and tail are kept, the middle is left out when it grows too long.</summary>
internal sealed class WorkProtocol
{
    private const int MaxLength = 32_000;
    private const int MaxLine = 600;

    private readonly StringBuilder _head = new();
    private readonly Queue<string> _tail = new();
    private int _tailLength;
    private int _leftOut;

    private readonly SecretRedactor _redactor;

    public WorkProtocol(string firstLine, SecretRedactor redactor)
    {
        _redactor = redactor;
        Add(firstLine);
    }

    /// <summary>The text as it may be kept: without secrets and hidden characters.</summary>
    public string Clean(string text) => _redactor.CleanLog(HiddenText.Strip(text).Text);

    public void Add(string line)
    {
        line = Clean(line);
        var bounded = (line.Length > MaxLine ? line[..MaxLine] + "…" : line).Replace("\r", "", StringComparison.Ordinal).Replace("\n", "\n  ", StringComparison.Ordinal);
        if (_head.Length < MaxLength / 2)
        {
            _head.Append(bounded).Append('\n');
            return;
        }

        _tail.Enqueue(bounded);
        _tailLength += bounded.Length + 1;
        while (_tailLength > MaxLength / 2)
        {
            _tailLength -= _tail.Dequeue().Length + 1;
            _leftOut++;
        }
    }

    public void Add(ToolCall call, ToolResult result) => Add(LineOf(call, result));

    public static string LineOf(ToolCall call, ToolResult result) => result.IsRefused
        ? $"{call.Tool} {call.Target} → refused ({result.RefusalCode}): {result.Text}"
        : $"{call.Tool} {call.Target} → done ({result.Text.Length} characters)";

    public override string ToString()
    {
        var text = new StringBuilder().Append(_head);
        if (_leftOut > 0)
            text.Append($"… {_leftOut} lines left out …\n");
        foreach (var line in _tail)
            text.Append(line).Append('\n');
        return text.ToString();
    }
}
