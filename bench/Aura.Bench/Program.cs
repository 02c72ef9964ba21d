using Aura.Bench;
using Aura.Bench.Chaos;

switch (args.FirstOrDefault())
{
    case "chaos":
        return await ChaosCommand.RunAsync(args[1..]);
    case "soak":
        return await SoakCommand.RunAsync(args[1..]);
    case "sandbox":
        return await SandboxCommand.RunAsync(args[1..]);
    case "mcp":
        return await McpCommand.RunAsync(args[1..]);
    case "host":
        return await ChaosHost.RunAsync(args[1..]);
    case "ready":
        await ScaleWorkloads.SayReadyAsync(args[1]);
        return 0;
    case "engine-host":
        await ScaleWorkloads.RunHostAsync(args[1]);
        return 0;
}

return await EngineCommand.RunAsync(args.SkipWhile(a => a == "engine").ToArray());
