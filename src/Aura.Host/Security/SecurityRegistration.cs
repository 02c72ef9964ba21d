using Aura.Orchestra.Employees;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Aura.Host.Security;

/// <summary>Registers who may come in and what they may do.</summary>
internal static class SecurityRegistration
{
    /// <param name="tokenKey">Strengthens the keys of tokens when the Director's key is one that people could guess; see TokenKeys.</param>
    public static void AddAuraSecurity(this IServiceCollection services, string directorKey, string? tokenKey)
    {
        services.AddSingleton(_ => new TokenKeys(directorKey, tokenKey));
        services.TryAddSingleton(_ => new Passwords());
        services.AddSingleton<AccessTokens>();
        services.AddSingleton(s => new JobTokens(s.GetRequiredService<TokenKeys>().Signer, s.GetRequiredService<TimeProvider>()));
        services.AddSingleton<SignInThrottle>();
        services.AddSingleton<UserStanding>();
        services.AddSingleton<SignIns>();
        services.AddAuthentication(CredentialHandler.Scheme)
            .AddScheme<AuthenticationSchemeOptions, CredentialHandler>(CredentialHandler.Scheme, null);
        services.AddSingleton<IAuthorizationHandler, PermissionCheck>();
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, PermissionRefusal>();
        services.AddAuthorization(o =>
        {
            foreach (var permission in Permissions.Roles.Keys)
                o.AddPolicy(permission, p => p.RequireAuthenticatedUser().AddRequirements(new PermissionRequirement(permission)));
        });
    }
}
