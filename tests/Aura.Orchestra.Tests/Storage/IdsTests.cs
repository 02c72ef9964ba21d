namespace Aura.Orchestra.Tests.Storage;

public sealed class IdsTests
{
    [Fact]
    public void New_ManyTimes_HasTheShapeAndDiffers()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => Ids.NewJob()).ToHashSet();
        ids.Count.ShouldBe(1000);
        ids.ShouldAllBe(id => Ids.IsJob(id) && !Ids.IsPrd(id));
        Ids.IsPrd(Ids.NewPrd()).ShouldBeTrue();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("job-")]
    [InlineData("job-2222222i")]
    [InlineData("job-22222222\n")]
    [InlineData("JOB-22222222")]
    public void IsJob_AnotherShape_IsFalse(string? text) => Ids.IsJob(text).ShouldBeFalse();

    [Fact]
    public void Sandbox_OfAJob_NamesTheAttempt()
    {
        Ids.Sandbox("job-22222222", 3).ShouldBe("job-22222222-a3");
        Should.Throw<ArgumentException>(() => Ids.Sandbox("../etc", 1));
        Should.Throw<ArgumentOutOfRangeException>(() => Ids.Sandbox("job-22222222", 0));
    }
}
