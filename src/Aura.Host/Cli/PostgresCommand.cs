using System.CommandLine;
using System.Diagnostics;
using Aura.Host.Postgres;
using Aura.Orchestra.Processes;

namespace Aura.Host.Cli;

/// <summary><c>aura postgres run -- command</c>: runs a command while the embedded PostgreSQL is up. The tests are run this way.</summary>
internal static class PostgresCommand
{
    public static Command Create()
    {
        var program = new Argument<string[]>("command") { Description = "The command and its arguments, behind --.", Arity = ArgumentArity.OneOrMore };
        var run = new Command("run", "Run a command with AURA_TEST_POSTGRES set to the embedded server.") { program };
        run.SetBody(async (parsed, cancellationToken) =>
        {
            var options = AuraCli.Options();
            using var processes = new ProcessRunner();
            await using var postgres = new EmbeddedPostgres(options.State, processes, TimeProvider.System);
            var server = await postgres.StartAsync("postgres", cancellationToken);
            var words = parsed.GetValue(program)!;
            var info = new ProcessStartInfo(words[0], words[1..]) { UseShellExecute = false };
            info.Environment["AURA_TEST_POSTGRES"] = server.ConnectionString("postgres");
            using var child = Process.Start(info)!;
            try
            {
                await child.WaitForExitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                child.Kill(entireProcessTree: true);
                throw;
            }

            return child.ExitCode;
        });
        return new Command("postgres", "The embedded PostgreSQL.") { run };
    }
}
