// The only file here that names the engine. To compile these activities against Elsa's own assemblies, replace this file.
global using Aura.Workflows;
global using Aura.Workflows.Runtime;
