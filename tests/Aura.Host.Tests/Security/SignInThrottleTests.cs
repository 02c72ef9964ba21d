using System.Globalization;
using System.Net;
using Aura.Host.Security;

namespace Aura.Host.Tests.Security;

public sealed class SignInThrottleTests
{
    private static readonly IPAddress Here = IPAddress.Parse("192.0.2.1");
    private static readonly IPAddress There = IPAddress.Parse("192.0.2.2");
    private readonly ManualTime _time = new();
    private readonly SignInThrottle _throttle;

    public SignInThrottleTests() => _throttle = new(_time);

    [Fact]
    public void Begin_TooManyFailures_WaitsForTheWindowsEndAndOnlyThatUserFromThere()
    {
        for (var i = 0; i < SignInThrottle.FailuresOfUser; i++)
            _throttle.Begin("ada", Here).ShouldBeNull();
        _time.Now += TimeSpan.FromMinutes(2);

        _throttle.Begin("ADA", Here).ShouldBe(TimeSpan.FromMinutes(3));
        _throttle.Begin("ada", There).ShouldBeNull();
        _throttle.Begin("bob", Here).ShouldBeNull();

        _time.Now += TimeSpan.FromMinutes(3);
        _throttle.Begin("ada", Here).ShouldBeNull();
    }

    [Fact]
    public void Take_Success_ForgetsTheUsersFailures()
    {
        for (var round = 0; round < 5; round++)
        {
            for (var i = 0; i < SignInThrottle.FailuresOfUser - 1; i++)
                _throttle.Begin("ada", Here).ShouldBeNull();
            _throttle.Begin("ada", Here).ShouldBeNull();
            _throttle.Take("ada", Here, forget: true);
        }
    }

    [Fact]
    public void Begin_ManyNamesFromOneAddress_AreBoundedTogether()
    {
        for (var i = 0; i < SignInThrottle.FailuresOfAddress; i++)
            _throttle.Begin(i.ToString(CultureInfo.InvariantCulture), Here).ShouldBeNull();
        _throttle.Begin("someone", Here).ShouldNotBeNull();
        _throttle.Begin("someone", There).ShouldBeNull();
    }

    [Fact]
    public void Begin_AddressesOfOneIPv6Network_AreOne()
    {
        for (var i = 0; i < SignInThrottle.FailuresOfUser; i++)
            _throttle.Begin("ada", IPAddress.Parse($"2001:db8::{i + 1:x}")).ShouldBeNull();
        _throttle.Begin("ada", IPAddress.Parse("2001:db8::ffff")).ShouldNotBeNull();
        _throttle.Begin("ada", IPAddress.Parse("2001:db8:0:1::1")).ShouldBeNull();
    }

    [Fact]
    public void Begin_MoreAddressesThanItKeeps_StillKnowsTheWorst()
    {
        for (var i = 0; i < SignInThrottle.FailuresOfUser; i++)
            _throttle.Begin("ada", Here);
        for (var i = 0; i < 12_000; i++)
            _throttle.Begin("x", new IPAddress(0x0A000000L + i));
        _throttle.Begin("ada", Here).ShouldNotBeNull();
    }
}
