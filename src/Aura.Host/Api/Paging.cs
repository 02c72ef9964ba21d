using System.Globalization;

namespace Aura.Host.Api;

/// <summary>One page of a list: <c>{"items":[…],"next_cursor":"…"|null}</c>.</summary>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor);

/// <summary>The query <c>?limit=&amp;cursor=</c>. A cursor is the place of the last item of the page before.</summary>
internal sealed record Paging(int Limit, long? Before)
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;

    /// <summary>Reads the two, adding what is wrong to <paramref name="errors"/>.</summary>
    public static Paging Parse(IQueryCollection query, FieldErrors errors)
    {
        var (limit, before) = (DefaultLimit, (long?)null);
        if (query.TryGetValue("limit", out var limitText)
            && (!int.TryParse(limitText, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > MaxLimit))
            errors.Add("limit", $"must be a whole number from 1 to {MaxLimit}.");
        if (query.TryGetValue("cursor", out var cursorText))
        {
            if (long.TryParse(cursorText, NumberStyles.None, CultureInfo.InvariantCulture, out var cursor))
                before = cursor;
            else
                errors.Add("cursor", "is not a cursor of this list. Use next_cursor of the page before as it is.");
        }

        return new(limit, before);
    }

    /// <summary>Asks for one row more than the page holds, to know whether another page follows.</summary>
    public async Task<Page<TView>> ToPageAsync<TRow, TView>(
        Func<int, Task<IReadOnlyList<TRow>>> read, Func<TRow, long> place, Func<TRow, TView> view)
    {
        var rows = await read(Limit + 1);
        return new(
            [.. rows.Take(Limit).Select(view)],
            rows.Count > Limit ? place(rows[Limit - 1]).ToString(CultureInfo.InvariantCulture) : null);
    }
}
