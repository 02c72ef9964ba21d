using System.Reflection;
using Aura.Orchestra.Employees;
using Aura.Orchestra.Models;

namespace Aura.Activities;

/// <summary>The task queues that this installation's roles work on; a trailing <c>*</c> stands for every backend of employees.</summary>
public sealed record TaskQueues(IReadOnlyList<string> Names);

/// <summary>Offers the task queues.</summary>
public sealed class QueueOptions(TaskQueues? queues = null) : DropDownOptionsProviderBase
{
    /// <inheritdoc />
    protected override ValueTask<ICollection<SelectListItem>> GetItemsAsync(PropertyInfo property, object? context, CancellationToken cancellationToken)
    {
        var names = (queues?.Names ?? []).SelectMany(n => n.EndsWith('*') ? EmployeeBackends.Names.Select(b => n[..^1] + b) : [n]);
        return ValueTask.FromResult<ICollection<SelectListItem>>([.. names.Distinct(StringComparer.Ordinal).Select(n => new SelectListItem(n, n))]);
    }
}

/// <summary>Offers the models, those that are active first.</summary>
public sealed class ModelOptions(ModelStore models) : DropDownOptionsProviderBase
{
    /// <inheritdoc />
    protected override async ValueTask<ICollection<SelectListItem>> GetItemsAsync(
        PropertyInfo property, object? context, CancellationToken cancellationToken) =>
        [.. (await models.ListAsync(cancellationToken)).OrderByDescending(m => m.IsActive)
            .Select(m => new SelectListItem(m.IsActive ? m.Name : $"{m.Name} (not active)", m.Name))];
}
