using System.CommandLine;
using System.Text;
using System.Text.Json;
using Aura.Host.Security;

namespace Aura.Host.Cli;

/// <summary><c>aura users</c>: who may sign in, as what. Passwords come from the terminal or standard input, never from the command line.</summary>
internal static class UserCommands
{
    public static Command Create() => new("users", $"""
        People who may sign in, and their roles ({string.Join(", ", AuraRoles.All)}).

        Examples:
          ./aura users add ada --role ManagerOperator
          openssl rand -base64 24 | ./aura users add robot --role Auditor --password-stdin
          ./aura users roles ada ManagerOperator HR
          ./aura users disable ada
        """)
    {
        List(), Add(), Password(), Roles(),
        Active("disable", false, "End a user's sign-ins and refuse new ones."),
        Active("enable", true, "Let a disabled user sign in again."),
    };

    private static Command List()
    {
        var command = new Command("list", "List users by name.");
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var page = await manager.GetAsync("/users", cancellationToken);
            if (!ManagerCommands.Raw(parsed, page))
                ManagerCommands.Table(page.GetProperty("items"), "name", "roles", "is_active", "last_sign_in_at", "created_at");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Add()
    {
        var name = Name();
        var roles = new Option<string[]>("--role")
        {
            Description = "A role; may be given several times.",
            Required = true,
            AllowMultipleArgumentsPerToken = true,
        };
        var stdin = PasswordStdin();
        var command = new Command("add", "Add a user; asks for the password.") { name, roles, stdin };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var password = await ReadPasswordAsync(parsed.GetValue(stdin), cancellationToken);
            var request = new { name = parsed.GetValue(name), password, roles = parsed.GetValue(roles) };
            var user = await manager.PostAsync("/users", JsonSerializer.Serialize(request), cancellationToken);
            return Done(parsed, user, "may sign in now");
        });
        return command;
    }

    private static Command Password()
    {
        var name = Name();
        var stdin = PasswordStdin();
        var command = new Command("password", "Set a user's password; their sign-ins end.") { name, stdin };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var password = await ReadPasswordAsync(parsed.GetValue(stdin), cancellationToken);
            return Done(parsed, await ChangeAsync(manager, parsed.GetValue(name)!, new { password }, cancellationToken), "has a new password");
        });
        return command;
    }

    private static Command Roles()
    {
        var name = Name();
        var roles = new Argument<string[]>("roles") { Description = "All roles that the user has from now on.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("roles", "Set a user's roles, in the place of those they had.") { name, roles };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var user = await ChangeAsync(manager, parsed.GetValue(name)!, new { roles = parsed.GetValue(roles) }, cancellationToken);
            return Done(parsed, user, $"has the roles {ManagerCommands.Text(user, "roles")}");
        });
        return command;
    }

    private static Command Active(string verb, bool isActive, string description)
    {
        var name = Name();
        var command = new Command(verb, description) { name };
        command.SetBody(async (parsed, cancellationToken) =>
        {
            using var manager = AuraCli.Manager(parsed);
            var user = await ChangeAsync(manager, parsed.GetValue(name)!, new { is_active = isActive }, cancellationToken);
            return Done(parsed, user, isActive ? "may sign in again" : "is signed out and may not sign in");
        });
        return command;
    }

    private static Argument<string> Name() => new("name") { Description = "The user's name." };

    private static Option<bool> PasswordStdin() => new("--password-stdin") { Description = "Take the password from the first line of standard input." };

    private static Task<JsonElement> ChangeAsync(ManagerClient manager, string name, object change, CancellationToken cancellationToken) =>
        manager.PatchAsync($"/users/{Uri.EscapeDataString(name)}", JsonSerializer.Serialize(change), cancellationToken);

    private static int Done(ParseResult parsed, JsonElement user, string what)
    {
        if (!ManagerCommands.Raw(parsed, user))
            Console.WriteLine($"{ManagerCommands.Text(user, "name")} {what}.");
        return ExitCodes.Ok;
    }

    private static async Task<string> ReadPasswordAsync(bool fromStdin, CancellationToken cancellationToken)
    {
        if (fromStdin)
        {
            return await Console.In.ReadLineAsync(cancellationToken)
                ?? throw new CliException(ExitCodes.Usage, "Standard input is empty; --password-stdin takes the password from its first line.");
        }

        if (Console.IsInputRedirected)
            throw new CliException(ExitCodes.Usage, "There is no terminal to ask for the password on. Pipe it in with --password-stdin.");
        var password = Ask("Password: ");
        return password == Ask("Once more: ") ? password : throw new CliException(ExitCodes.Usage, "The two passwords differ. Nothing was changed.");
    }

    /// <summary>Reads a line that the terminal does not show.</summary>
    private static string Ask(string prompt)
    {
        Console.Error.Write(prompt);
        var typed = new StringBuilder();
        while (true)
        {
            var key = Console.ReadKey(intercept: true);
            if (key.Key == ConsoleKey.Enter)
                break;
            if (key.Key == ConsoleKey.Backspace)
                typed.Length = Math.Max(0, typed.Length - 1);
            else if (!char.IsControl(key.KeyChar))
                typed.Append(key.KeyChar);
        }

        Console.Error.WriteLine();
        return typed.ToString();
    }
}
