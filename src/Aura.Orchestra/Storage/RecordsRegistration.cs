using Aura.Orchestra.Archive;
using Aura.Orchestra.Audit;
using Aura.Orchestra.Employees.Ledger;
using Aura.Orchestra.Events;
using Aura.Orchestra.Jobs;
using Aura.Orchestra.Models;
using Aura.Orchestra.Prds;
using Aura.Orchestra.Users;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Aura.Orchestra.Storage;

/// <summary>Registers the stores.</summary>
public static class RecordsRegistration
{
    /// <summary>The organisation's stores as singletons. Needs an <c>NpgsqlDataSource</c>. Safe to call more than once.</summary>
    public static IServiceCollection AddAuraRecords(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<EventFeedOptions>();
        services.TryAddSingleton<PrdStore>();
        services.TryAddSingleton<JobStore>();
        services.TryAddSingleton<ModelStore>();
        services.TryAddSingleton<ModelCallStore>();
        services.TryAddSingleton<ArchiveStore>();
        services.TryAddSingleton<AuditLog>();
        services.TryAddSingleton<RefreshTokenOptions>();
        services.TryAddSingleton<UserStore>();
        services.TryAddSingleton<RefreshTokenStore>();
        services.TryAddSingleton<EventSignal>();
        services.TryAddSingleton<EventFeed>();
        return services;
    }
}
