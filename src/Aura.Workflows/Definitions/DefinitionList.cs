namespace Aura.Workflows.Definitions;

/// <summary>Which definition versions a list shows. Null or empty members do not filter.</summary>
public sealed record DefinitionFilter
{
    public VersionOptions VersionOptions { get; init; } = VersionOptions.Latest;

    /// <summary>Version ids.</summary>
    public IReadOnlyCollection<string>? Ids { get; init; }

    public IReadOnlyCollection<string>? DefinitionIds { get; init; }

    /// <summary>A part of the name, the description or an id, without case.</summary>
    public string? SearchTerm { get; init; }

    public string? Name { get; init; }
    public bool? IsSystem { get; init; }
    public bool? IsReadonly { get; init; }
    public bool? UsableAsActivity { get; init; }
}

public enum DefinitionOrder
{
    Created,
    Name,
    Version,
}

/// <summary>One page of a list.</summary>
/// <param name="TotalCount">Of all pages.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, long TotalCount);

/// <summary>A definition version as lists show it; its document was not read.</summary>
public sealed record WorkflowDefinitionSummary
{
    /// <summary>The version's own id.</summary>
    public required string Id { get; init; }

    public required string DefinitionId { get; init; }
    public string? Name { get; init; }
    public string? Description { get; init; }
    public required int Version { get; init; }
    public string? ToolVersion { get; init; }
    public bool IsLatest { get; init; }
    public bool IsPublished { get; init; }
    public string? ProviderName { get; init; }
    public string MaterializerName { get; init; } = "Json";
    public required DateTimeOffset CreatedAt { get; init; }
    public string? SavedBy { get; init; }
    public DateTimeOffset SavedAt { get; init; }
    public string? PublishedBy { get; init; }
    public DateTimeOffset? PublishedAt { get; init; }
    public bool IsReadonly { get; init; }
    public bool IsMaterializerAvailable { get; init; } = true;
}

/// <summary>One file of an export.</summary>
public sealed record ExportedDefinition(string FileName, string Json);

/// <summary>What became of a request to publish.</summary>
public sealed record PublishResult
{
    public required WorkflowDefinition Definition { get; init; }

    /// <summary>True when the latest version was published before; nothing was done.</summary>
    public bool AlreadyPublished { get; init; }

    /// <summary>What stands against publishing. Not empty and not published: nothing was changed.</summary>
    public IReadOnlyList<DefinitionValidationError> ValidationErrors { get; init; } = [];

    /// <summary>What a person should look at; it stood against nothing.</summary>
    public IReadOnlyList<DefinitionValidationError> ValidationWarnings { get; init; } = [];

    /// <summary>Definition ids of the workflows that were moved to the new version.</summary>
    public IReadOnlyList<string> UpdatedConsumers { get; init; } = [];
}

/// <summary>The definition is marked read-only: it can be run, not changed.</summary>
public sealed class ReadonlyDefinitionException(string definitionId)
    : Exception($"Workflow definition '{definitionId}' is read-only. Copy it under another id to change it.");
