using Aura.Orchestra.Employees;
using Aura.Orchestra.Models;
using Aura.Orchestra.Storage;
using Aura.Workflows.Runtime;
using Npgsql;

namespace Aura.Host.Roles;

/// <summary>
/// Says of every model that the employees of this host can use that it is served. One that is not said of any more, by nobody, is passed over
/// by the assignment; one that is back is used again.
/// </summary>
internal sealed class ModelWatch(EmployeeBackends backends, NpgsqlDataSource dataSource, HostIdentity host) : ILoop
{
    private readonly HashSet<string> _served = new(StringComparer.Ordinal);

    public string Name => "model-watch";

    public TimeSpan Interval => TimeSpan.FromSeconds(30);

    public bool HearsPulse => false;

    public async Task<int> RunOnceAsync(CancellationToken cancellationToken)
    {
        var now = new HashSet<string>(StringComparer.Ordinal);
        foreach (var backend in await backends.CheckAllAsync(cancellationToken))
        {
            foreach (var model in backend.Models)
            {
                await dataSource.CommitAsync(
                    [ModelChanges.Ensure(model, backend.Kind, backend.Endpoint?.ToString(), backend.Name),
                        ModelChanges.Seen(model, host.Id, isStart: !_served.Contains(model))], cancellationToken);
                now.Add(model);
            }
        }

        _served.Clear();
        _served.UnionWith(now);
        return 0;
    }
}
