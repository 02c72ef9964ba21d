using System.Collections.ObjectModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Aura.Workflows.Expressions;

namespace Aura.Workflows.Tests.Definitions;

public sealed class ConversionTests
{
    [Theory]
    [InlineData("String", typeof(string))]
    [InlineData("long", typeof(long))]
    [InlineData("Int32?", typeof(int?))]
    [InlineData("String?", typeof(string))]
    [InlineData("Guid[]", typeof(Guid[]))]
    [InlineData("Int32[][]", typeof(int[][]))]
    [InlineData("List<Int32>", typeof(List<int>))]
    [InlineData("ICollection<String>", typeof(ICollection<string>))]
    [InlineData("HashSet<Guid>", typeof(HashSet<Guid>))]
    [InlineData("IDictionary<String, Object>", typeof(IDictionary<string, object>))]
    [InlineData("Dictionary<String,List<Int32>>", typeof(Dictionary<string, List<int>>))]
    [InlineData("JSON", typeof(object))]
    [InlineData("System.Int32, System.Private.CoreLib, Version=9.0.0.0, Culture=neutral, PublicKeyToken=7cec85d7bea7798e", typeof(int))]
    [InlineData("System.Collections.Generic.List`1[[System.String, System.Private.CoreLib]], System.Private.CoreLib", typeof(List<string>))]
    [InlineData("System.Nullable`1[[System.Double, System.Private.CoreLib]], System.Private.CoreLib", typeof(double?))]
    [InlineData("System.Collections.Generic.IDictionary`2[[System.String, A, Version=1],[System.Object, A]], A", typeof(IDictionary<string, object>))]
    [InlineData("System.String[], System.Private.CoreLib", typeof(string[]))]
    [InlineData("Elsa.Http.Models.HttpHeaders, Elsa.Http", typeof(IDictionary<string, string[]>))]
    public void TypeOf_Name_IsThatType(string name, Type expected)
    {
        TypeAliases.TryTypeOf(name, out var type).ShouldBeTrue();
        type.ShouldBe(expected);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Acme.Thing, Acme")]
    [InlineData("List<Thing>")]
    [InlineData("IDictionary<Int32, Object>")]
    [InlineData("System.Diagnostics.Process, System.Diagnostics.Process")]
    [InlineData("List<")]
    [InlineData("<>")]
    [InlineData("`1[[x]]")]
    [InlineData("[]")]
    public void TypeOf_UnknownName_IsObjectAndSaysSo(string? name)
    {
        TypeAliases.TryTypeOf(name, out var type).ShouldBeFalse();
        type.ShouldBe(typeof(object));
    }

    [Theory]
    [InlineData(typeof(int?), "Int32?")]
    [InlineData(typeof(string[]), "String[]")]
    [InlineData(typeof(List<DateTimeOffset>), "List<DateTimeOffset>")]
    [InlineData(typeof(IReadOnlyDictionary<string, bool>), "IReadOnlyDictionary<String, Boolean>")]
    [InlineData(typeof(byte[]), "ByteArray")]
    public void AliasOf_Type_NamesItAndIsReadBack(Type type, string alias)
    {
        TypeAliases.AliasOf(type).ShouldBe(alias);
        TypeAliases.TypeOf(alias).ShouldBe(type);
    }

    public static TheoryData<object?, Type, object?> Conversions => new()
    {
        { "42", typeof(int), 42 },
        { 42L, typeof(int), 42 },
        { 2.0, typeof(int), 2 },
        { "", typeof(int?), null },
        { null, typeof(int), 0 },
        { "True", typeof(bool), true },
        { true, typeof(string), "true" },
        { "High", typeof(Priority), Priority.High },
        { "high", typeof(Priority?), Priority.High },
        { 1L, typeof(Priority), Priority.High },
        { "01:30:00", typeof(TimeSpan), TimeSpan.FromMinutes(90) },
        { TimeSpan.FromMinutes(90), typeof(string), "01:30:00" },
        { "2026-05-01T10:00:00Z", typeof(DateTimeOffset), new DateTimeOffset(2026, 5, 1, 10, 0, 0, TimeSpan.Zero) },
        { "2026-05-01", typeof(DateOnly), new DateOnly(2026, 5, 1) },
        { new DateTime(2026, 5, 1, 10, 0, 0, DateTimeKind.Utc), typeof(DateOnly), new DateOnly(2026, 5, 1) },
        { new DateOnly(2026, 5, 1), typeof(DateTime), new DateTime(2026, 5, 1, 0, 0, 0, DateTimeKind.Unspecified) },
        { "AQI=", typeof(byte[]), new byte[] { 1, 2 } },
        { new byte[] { 1, 2 }, typeof(string), "AQI=" },
        { "[1,2]", typeof(List<int>), new List<int> { 1, 2 } },
        { new List<object?> { 1L, "2" }, typeof(int[]), new[] { 1, 2 } },
        { new List<object?> { "a", "a" }, typeof(HashSet<string>), new HashSet<string> { "a" } },
        { new[] { "a" }, typeof(ICollection<object>), new List<object> { "a" } },
        { new List<object?> { "a" }, typeof(Collection<string>), new Collection<string> { "a" } },
        { "one", typeof(IEnumerable<string>), new List<string> { "one" } },
        { "{\"a\":\"1\"}", typeof(IDictionary<string, int>), new Dictionary<string, int> { ["a"] = 1 } },
        { new List<object?> { 1L, "x" }, typeof(string), "[1,\"x\"]" },
        { "https://aura.test/", typeof(Uri), new Uri("https://aura.test/") },
    };

    [Theory]
    [MemberData(nameof(Conversions), DisableDiscoveryEnumeration = true)]
    public void ConvertTo_Value_Fits(object? value, Type type, object? expected)
    {
        var converted = ObjectConverter.ConvertTo(value, type);

        converted.ShouldBe(expected);
        if (converted is not null)
            converted.ShouldBeAssignableTo(type);
    }

    [Fact]
    public void ConvertTo_Json_ReadsObjects()
    {
        var element = JsonSerializer.Deserialize<JsonElement>("""{"Name":"x","size":3}""");

        ObjectConverter.ConvertTo<Thing>(element).ShouldBe(new Thing("x", 3));
        ObjectConverter.ConvertTo<Thing>("""{"name":"x","size":"3"}""").ShouldBe(new Thing("x", 3));
        ObjectConverter.ConvertTo<JsonObject>(element)!["size"]!.GetValue<int>().ShouldBe(3);
        ObjectConverter.ConvertTo<object>(element).ShouldBeOfType<Dictionary<string, object?>>();
    }

    [Theory]
    [InlineData("seven", typeof(int))]
    [InlineData("Medium", typeof(Priority))]
    [InlineData("[1,\"x\"]", typeof(List<int>))]
    [InlineData("{", typeof(Dictionary<string, int>))]
    [InlineData("", typeof(int))]
    public void ConvertTo_WhatDoesNotFit_Throws(string value, Type type) =>
        Should.Throw<ValueConversionException>(() => ObjectConverter.ConvertTo(value, type));

    [Theory]
    [InlineData(null, true)]
    [InlineData("WorkflowInstanceStorageDriver", true)]
    [InlineData("Elsa.Workflows.Services.WorkflowStorageDriver, Elsa.Workflows.Core", true)]
    [InlineData("Acme.Vault, Acme", true)]
    [InlineData("Memory", false)]
    [InlineData("MemoryStorageDriver", false)]
    [InlineData("Elsa.Workflows.MemoryStorageDriver, Elsa.Workflows.Core", false)]
    public void IsPersisted_Driver_OnlyMemoryForgets(string? driver, bool expected) =>
        new Variable("x") { StorageDriverTypeName = driver }.IsPersisted.ShouldBe(expected);

    private sealed record Thing(string Name, int Size);
}
