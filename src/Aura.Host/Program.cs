using Aura.Host.Cli;

return await AuraCli.RunAsync(args);
