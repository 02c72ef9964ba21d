using System.Collections.Frozen;
using System.Security.Claims;

namespace Aura.Host.Security;

/// <summary>The roles a person or a machine may hold. The names are the tokens' role claims.</summary>
public static class AuraRoles
{
    public const string Director = "Director";
    public const string ManagerOperator = "ManagerOperator";
    public const string Auditor = "Auditor";
    public const string Hr = "HR";
    public const string Employee = "Employee";

    public static IReadOnlyList<string> All { get; } = [Director, ManagerOperator, Auditor, Hr, Employee];
}

/// <summary>Who asks, as journals and the audit log name them.</summary>
internal static class Actor
{
    public static string Of(HttpContext http) => http.User.FindFirstValue(ClaimTypes.Name) ?? "unknown";
}

/// <summary>What an endpoint asks for; each name is an authorization policy.</summary>
public static class Permissions
{
    /// <summary>See PRDs, jobs, events, models and archives.</summary>
    public const string ReadOrganisation = "organisation:read";

    /// <summary>Hand in, cancel and retry PRDs and jobs.</summary>
    public const string RunOrganisation = "organisation:run";

    /// <summary>See which models there are and how they stand.</summary>
    public const string ReadModels = "models:read";

    /// <summary>Take jobs as a worker: register models, claim, hand in.</summary>
    public const string WorkOnJobs = "jobs:work";

    /// <summary>See workflow definitions, instances and descriptors.</summary>
    public const string ReadWorkflows = "workflows:read";

    /// <summary>Create, change, publish, retract, import and delete workflow definitions.</summary>
    public const string EditWorkflows = "workflows:edit";

    /// <summary>Start, wake, cancel, retry, alter and delete workflow instances.</summary>
    public const string RunWorkflows = "workflows:run";

    /// <summary>Merge approval, promotion, purge, users: the Director's alone.</summary>
    public const string Direct = "direct";

    /// <summary>The one table of who may do what.</summary>
    public static FrozenDictionary<string, IReadOnlyList<string>> Roles { get; } = new Dictionary<string, IReadOnlyList<string>>
    {
        [ReadOrganisation] = [AuraRoles.Director, AuraRoles.ManagerOperator, AuraRoles.Auditor, AuraRoles.Hr],
        [RunOrganisation] = [AuraRoles.Director, AuraRoles.ManagerOperator],
        [ReadModels] = AuraRoles.All,
        [WorkOnJobs] = [AuraRoles.Director, AuraRoles.Employee],
        [ReadWorkflows] = [AuraRoles.Director, AuraRoles.ManagerOperator, AuraRoles.Auditor, AuraRoles.Hr],
        [EditWorkflows] = [AuraRoles.Director, AuraRoles.ManagerOperator],
        [RunWorkflows] = [AuraRoles.Director, AuraRoles.ManagerOperator],
        [Direct] = [AuraRoles.Director],
    }.ToFrozenDictionary();
}
