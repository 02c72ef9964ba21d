namespace Aura.Orchestra.Employees.Chat;

/// <summary>The connections to models, kept for the life of the process.</summary>
internal static class ModelHttp
{
    // A proxy of the machine is for the outside; what runs on this machine is reached directly.
    private static readonly HttpClient Direct = Client(useProxy: false);
    private static readonly HttpClient Outside = Client(useProxy: true);

    public static HttpClient For(Uri address) => address.IsLoopback ? Direct : Outside;

    // No redirects: a key goes to the address it was given for. The time limits are the caller's.
    private static HttpClient Client(bool useProxy) => new(new SocketsHttpHandler
    {
        UseProxy = useProxy,
        AllowAutoRedirect = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    { Timeout = Timeout.InfiniteTimeSpan };
}
