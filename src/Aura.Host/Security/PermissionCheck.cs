using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;

namespace Aura.Host.Security;

/// <summary>Asks for one line of <see cref="Permissions.Roles"/>.</summary>
internal sealed record PermissionRequirement(string Permission) : IAuthorizationRequirement;

/// <summary>Looks the user's roles up in the one table.</summary>
internal sealed class PermissionCheck : AuthorizationHandler<PermissionRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, PermissionRequirement requirement)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(requirement);
        if (Permissions.Roles[requirement.Permission].Any(context.User.IsInRole))
            context.Succeed(requirement);
        return Task.CompletedTask;
    }
}

/// <summary>A refusal says which permission is missing and who has it.</summary>
internal sealed class PermissionRefusal : IAuthorizationMiddlewareResultHandler
{
    private readonly AuthorizationMiddlewareResultHandler _usual = new();

    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(authorizeResult);
        var missing = authorizeResult.AuthorizationFailure?.FailedRequirements.OfType<PermissionRequirement>().LastOrDefault();
        return authorizeResult.Forbidden && missing is not null
            ? Forbidden(context, missing.Permission).ExecuteAsync(context)
            : _usual.HandleAsync(next, context, policy, authorizeResult);
    }

    private static IResult Forbidden(HttpContext context, string permission)
    {
        var roles = Permissions.Roles[permission];
        return Results.Problem(
            statusCode: StatusCodes.Status403Forbidden, title: "Not permitted",
            detail: $"{context.User.Identity?.Name} lacks the permission '{permission}'. "
                + $"It comes with {(roles.Count == 1 ? "the role" : "one of the roles")} {string.Join(", ", roles)}; "
                + "a Director can give it (./aura users roles).",
            extensions: new Dictionary<string, object?> { ["permission"] = permission, ["roles"] = roles });
    }
}
