using System.Text.Json;
using System.Text.Json.Serialization;
using Aura.Host.Security;

namespace Aura.Host.Elsa;

/// <summary>Elsa's HTTP API, as the real Elsa Studio calls it: one <c>MapXxx</c> a noun.</summary>
public static class ElsaApi
{
    public const string Prefix = "/elsa/api";

    /// <summary>Studio reads camelCase only, enums as strings, and takes absent members better than null ones.</summary>
    internal static JsonSerializerOptions Json { get; } = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter() },
        // A stored document may be almost as deep as the default, and stands inside an answer.
        MaxDepth = 128,
    };

    /// <summary>Maps every endpoint below <see cref="Prefix"/>. Reading is asked of all; what writes asks for more, endpoint by endpoint.</summary>
    public static WebApplication MapElsaApi(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        var api = app.MapGroup(Prefix).RequireAuthorization(Permissions.ReadWorkflows).AddEndpointFilter(ElsaRefusals.FilterAsync);
        IdentityApi.MapIdentity(api);
        DefinitionsApi.MapDefinitions(api);
        DescriptorsApi.MapDescriptors(api);
        FeaturesApi.MapFeatures(api);
        ScriptingApi.MapScripting(api);
        ActivityTestsApi.MapActivityTests(api);
        InstancesApi.MapInstances(api);
        ActivityExecutionsApi.MapActivityExecutions(api);
        AlterationsApi.MapAlterations(api);
        ExecutionApi.MapExecution(api);
        return app;
    }
}
