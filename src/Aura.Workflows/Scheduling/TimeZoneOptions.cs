using System.Reflection;

namespace Aura.Workflows.Scheduling;

/// <summary>The time zones that this host knows, UTC first.</summary>
public sealed class TimeZoneOptions : DropDownOptionsProviderBase
{
    /// <inheritdoc />
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo property, object? context, CancellationToken cancellationToken)
    {
        var names = TimeZoneInfo.GetSystemTimeZones().Select(z => z.Id).Where(id => id != "UTC").Order(StringComparer.Ordinal);
        return ValueTask.FromResult<ICollection<SelectListItem>>([.. names.Prepend("UTC").Select(n => new SelectListItem(n, n))]);
    }
}
