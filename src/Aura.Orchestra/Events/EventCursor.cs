using System.Globalization;
using System.Runtime.InteropServices;

namespace Aura.Orchestra.Events;

/// <summary>
/// A place in the event feed: the number of the transaction that wrote the event, then the event's own number.
/// Both, because numbers are given out before the commit: a later number may well become visible first.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public readonly record struct EventCursor(ulong Transaction, long Number) : IComparable<EventCursor>
{
    /// <summary>Before the first event.</summary>
    public static EventCursor Start => default;

    public int CompareTo(EventCursor other) =>
        Transaction != other.Transaction ? Transaction.CompareTo(other.Transaction) : Number.CompareTo(other.Number);

    public static bool operator <(EventCursor left, EventCursor right) => left.CompareTo(right) < 0;

    public static bool operator >(EventCursor left, EventCursor right) => left.CompareTo(right) > 0;

    public static bool operator <=(EventCursor left, EventCursor right) => left.CompareTo(right) <= 0;

    public static bool operator >=(EventCursor left, EventCursor right) => left.CompareTo(right) >= 0;

    /// <summary>The event's id as readers see it, for example <c>7312-41</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Transaction}-{Number}");

    /// <summary>Reads an event id.</summary>
    public static bool TryParse(string? text, out EventCursor cursor)
    {
        cursor = default;
        var parts = text?.Split('-') ?? [];
        if (parts.Length != 2
            || !ulong.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var transaction)
            || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return false;
        cursor = new(transaction, number);
        return true;
    }
}
