using Aura.Host.Security;
using Aura.Orchestra.Users;

namespace Aura.Host.Api;

/// <summary>The Director's management of users.</summary>
internal static class UsersApi
{
    private const int MaxBodyBytes = 16 << 10;
    private const string Where = "GET /users lists them.";

    public static void MapUsers(RouteGroupBuilder group)
    {
        var users = group.MapGroup("/users").RequireAuthorization(Permissions.Direct);
        users.MapGet("", async (UserStore store, CancellationToken cancellationToken) =>
            Results.Json(new Page<UserItem>([.. (await store.ListAsync(cancellationToken)).Select(UserItem.Of)], null), AuraApi.Json));
        users.MapPost("", AddAsync);
        users.MapPatch("/{name}", ChangeAsync);
    }

    private static async Task<IResult> AddAsync(
        HttpContext http, UserStore store, Passwords passwords, UserStanding standing, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "name", "password", "roles");
        var name = fields.Text("name", 1000, required: true);
        if (name is not null && UserNames.Problem(name) is { } nameProblem)
            errors.Add("name", nameProblem);
        var password = Password(fields, name ?? "", required: true, errors);
        if (Roles(fields, errors) is not { } roles)
        {
            errors.Add("roles", $"is missing. Known: {string.Join(", ", AuraRoles.All)}.");
            return errors.ToResult();
        }

        if (name is null || password is null || errors.Any)
            return errors.ToResult();
        var hash = await passwords.HashAsync(password, cancellationToken);
        if (!await store.AddAsync(name, roles, hash, Actor.Of(http), cancellationToken))
            return Problems.Conflict("The name is taken", $"There is a user '{name}' already; capitals make no difference. {Where}");
        await standing.ForgetAsync();
        return await ShowAsync(name, store, StatusCodes.Status201Created, cancellationToken);
    }

    private static async Task<IResult> ChangeAsync(
        string name, HttpContext http, UserStore store, Passwords passwords, UserStanding standing, CancellationToken cancellationToken)
    {
        var (body, problem) = await RequestBody.ReadAsync(http.Request, MaxBodyBytes, cancellationToken);
        if (body is null)
            return problem!;
        if (name.Equals(UserNames.Director, StringComparison.OrdinalIgnoreCase))
        {
            return Problems.Conflict("The Director is no user",
                "Who holds the Director's key is the Director. A new DIRECTOR_API_KEY and a restart of every host change it.");
        }

        var errors = new FieldErrors();
        var fields = new FieldReader(body.Root, "", errors, "password", "roles", "is_active");
        var password = Password(fields, name, required: false, errors);
        var roles = Roles(fields, errors);
        var isActive = fields.Boolean("is_active");
        if (!errors.Any && password is null && roles is null && isActive is null)
            errors.Add("$", "changes nothing. Give at least one of password, roles, is_active.");
        if (errors.Any)
            return errors.ToResult();
        var hash = password is null ? null : await passwords.HashAsync(password, cancellationToken);
        if (!await store.ChangeAsync(name, new(hash, roles, isActive), Actor.Of(http), cancellationToken))
            return Problems.NotFound("user", name, Where);
        await standing.ForgetAsync();
        return await ShowAsync(name, store, StatusCodes.Status200OK, cancellationToken);
    }

    private static async Task<IResult> ShowAsync(string name, UserStore store, int status, CancellationToken cancellationToken) =>
        Results.Json(UserItem.Of((await store.FindAsync(name, cancellationToken))!), AuraApi.Json, statusCode: status);

    private static string? Password(FieldReader fields, string name, bool required, FieldErrors errors)
    {
        var password = fields.Text("password", 1000, required, multiline: true);
        if (password is not null && Passwords.Problem(password, name) is { } problem)
            errors.Add("password", problem);
        return password;
    }

    /// <summary>Null when the member is absent.</summary>
    private static List<string>? Roles(FieldReader fields, FieldErrors errors)
    {
        if (!fields.Has("roles"))
            return null;
        var roles = new List<string>();
        foreach (var (index, text) in fields.Texts(
            "roles", AuraRoles.All.Count, 100, ifEmpty: "must name at least one. To take everything from a user, disable them."))
        {
            if (AuraRoles.All.FirstOrDefault(r => r.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } role)
                roles.Add(role);
            else
                errors.Add($"roles[{index}]", $"'{text}' is no role. Known: {string.Join(", ", AuraRoles.All)}.");
        }

        return roles;
    }

    private sealed record UserItem(string Name, IReadOnlyList<string> Roles, bool IsActive, DateTimeOffset CreatedAt, DateTimeOffset? LastSignInAt)
    {
        public static UserItem Of(User u) => new(u.Name, u.Roles, u.IsActive, u.CreatedAt, u.LastSignInAt);
    }
}
