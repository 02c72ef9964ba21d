// Whether the host answers. Requests tell what they met; /health is asked only while there is trouble.
//
//   connection.state             "online", "reconnecting", or "offline" when the browser has no network either
//   connection.worked()          a request was answered
//   connection.failed()          a request was not
//   connection.restored(signal)  resolves while or as soon as the host answers; rejects when the signal aborts
//   event "change"               the state has changed

const firstDelayMs = 500;
const longestDelayMs = 10_000;
const probeTimeoutMs = 5_000;

class Connection extends EventTarget {
  #state = "online";
  #delayMs = firstDelayMs;
  #timer = 0;
  #isProbing = false;

  constructor() {
    super();
    // The browser's word is a hint only: a host on the same machine answers without any network.
    window.addEventListener("offline", () => this.#probe());
    window.addEventListener("online", () => this.#state !== "online" && this.#probe());
  }

  get state() {
    return this.#state;
  }

  worked() {
    clearTimeout(this.#timer);
    this.#delayMs = firstDelayMs;
    this.#become("online");
  }

  failed() {
    const wasOnline = this.#state === "online";
    this.#become(navigator.onLine ? "reconnecting" : "offline");
    if (wasOnline)
      this.#probeLater();
  }

  restored(signal) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (signal?.aborted)
          reject(signal.reason);
        else if (this.#state === "online")
          resolve();
        else
          return;
        this.removeEventListener("change", look);
        signal?.removeEventListener("abort", look);
      };
      this.addEventListener("change", look);
      signal?.addEventListener("abort", look);
      look();
    });
  }

  #probeLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#probe(), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
  }

  async #probe() {
    if (this.#isProbing)
      return;
    this.#isProbing = true;
    clearTimeout(this.#timer);
    try {
      const answer = await fetch("/health", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(probeTimeoutMs) });
      // Anything but a gateway's excuse comes from the host itself.
      if (answer.status < 502 || answer.status > 504)
        return this.worked();
    } catch {
      // Told below.
    } finally {
      this.#isProbing = false;
    }

    this.#become(navigator.onLine ? "reconnecting" : "offline");
    this.#probeLater();
  }

  #become(state) {
    if (state === this.#state)
      return;
    this.#state = state;
    this.dispatchEvent(new Event("change"));
  }
}

export const connection = new Connection();
