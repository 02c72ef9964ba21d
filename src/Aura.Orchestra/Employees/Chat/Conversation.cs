using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Orchestra.Tools;

namespace Aura.Orchestra.Employees.Chat;

/// <summary>The messages of one attempt, kept within the model's context: when it fills up, old tool answers are shortened, the oldest
/// first.</summary>
internal sealed class Conversation
{
    /// <summary>Of the room for questions; above it is shortened, down to <see cref="Roomy"/>, so that it need not be done at each turn.</summary>
    private const double Full = 0.85;
    private const double Roomy = 0.6;
    private const int Stub = 300;

    /// <summary>Tool answers at the end that the model is still working with.</summary>
    private const int Fresh = 3;

    // Code needs more tokens a character than prose; corrected by what the server counts.
    private const double FirstGuess = 3.0;

    private readonly List<ModelMessage> _messages;
    private readonly int _room;
    private readonly int _toolCharacters;
    private double _charactersPerToken = FirstGuess;

    /// <param name="room">Tokens for the question: the context without the answer.</param>
    public Conversation(string system, string user, IReadOnlyList<ToolDefinition> tools, int room)
    {
        _messages = [new(Speaker.System, system), new(Speaker.User, user)];
        _room = room;
        _toolCharacters = tools.Sum(t => t.Name.Length + t.Description.Length + t.Schema.Length);
    }

    public IReadOnlyList<ModelMessage> Messages => _messages;

    /// <summary>Tool answers that were shortened so far.</summary>
    public int Shortened { get; private set; }

    public void Add(ModelMessage message) => _messages.Add(message);

    /// <summary>Learns from what the server counted for the messages as they are now.</summary>
    public void Counted(long promptTokens)
    {
        if (promptTokens > 200)
            _charactersPerToken = Math.Clamp(Characters() / (double)promptTokens, 1.5, 6);
    }

    /// <summary>Makes room when there is little left. False when the question would still be too long.</summary>
    /// <param name="anyway">The server said it was too long, whatever the estimate.</param>
    public bool Fit(bool anyway = false)
    {
        if (!anyway && Tokens() <= _room * Full)
            return true;
        var target = anyway ? Math.Min(Tokens(), _room) * 0.6 : _room * Roomy;
        var answers = _messages.Select((m, i) => (Message: m, Index: i)).Where(m => m.Message.Speaker == Speaker.Tool).ToList();
        foreach (var (message, index) in answers.SkipLast(Fresh).Concat(answers.TakeLast(Fresh)))
        {
            if (Tokens() <= target)
                break;
            Shorten(index, message);
        }

        return Tokens() <= _room;
    }

    private void Shorten(int index, ModelMessage message)
    {
        var answered = message.Answers!;
        if (message.Text.Length > Stub * 2)
        {
            _messages[index] = message with
            {
                Text = $"[An old answer of {answered.Name}, {message.Text.Length} characters, was shortened to save room. Call the tool again if you need it.]\n{message.Text[..Stub]}\n…",
            };
            Shortened++;
        }

        // What it wrote itself stands in the sandbox; the call's long arguments need not be carried along.
        var asked = answered.Arguments.Length > Stub * 2 ? _messages.FindIndex(0, index, m => m.Calls.Any(c => ReferenceEquals(c, answered))) : -1;
        if (asked >= 0)
            _messages[asked] =
                _messages[asked] with { Calls = [.. _messages[asked].Calls.Select(c => ReferenceEquals(c, answered) ? WithShortArguments(c) : c)] };
    }

    private static ModelToolCall WithShortArguments(ModelToolCall call)
    {
        try
        {
            if (JsonNode.Parse(call.Arguments) is not JsonObject arguments)
                return call;
            foreach (var (name, value) in arguments.ToList())
            {
                if (value?.GetValueKind() == JsonValueKind.String && value.GetValue<string>() is { Length: > Stub } text)
                    arguments[name] = $"{text[..Stub]}… ({text.Length} characters in all)";
            }

            return call with { Arguments = arguments.ToJsonString() };
        }
        catch (JsonException)
        {
            return call;
        }
    }

    private double Tokens() => Characters() / _charactersPerToken;

    private long Characters() =>
        _toolCharacters + _messages.Sum(m => (long)m.Text.Length + 20 + m.Calls.Sum(c => c.Name.Length + c.Arguments.Length + 40));
}
