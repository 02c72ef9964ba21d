using FsCheck;
using FsCheck.Fluent;

namespace Aura.Orchestra.Tests.Planning;

/// <summary>Runs a property without a word when it holds.</summary>
internal static class Law
{
    public static void Holds<T>(Arbitrary<T> values, Func<T, bool> property, int cases = 300) =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(cases).WithQuietOnSuccess(true), Prop.ForAll(values, property));
}
