using System.Text;

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

    public WorkProtocol(string firstLine) => Add(firstLine);

    public void Add(string line)
    {
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

    public void Add(ToolCall call, ToolResult result) => Add(result.IsRefused
        ? $"{call.Tool} {call.Target} → refused ({result.RefusalCode}): {result.Text}"
        : $"{call.Tool} {call.Target} → done ({result.Text.Length} characters)");

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
