// Who is signed in on this page. An ES module; every page that needs a token imports it:
//
//   import { session } from "/session.js";
//   const { user } = await session.start();       // or the page is left for /sign-in?return=<this page>
//
// Contract
//   session.start()        Asks POST /auth/refresh for an access token. Resolves to { user: { name, roles, permissions } }. Without a
//                          live sign-in it sends the page to /sign-in and never resolves; without a connection it keeps trying
//                          (event "offline") and resolves when the host answers. Call it once, at load; more calls answer the same.
//   session.token()        The current access token, or null before start() and after the end. It changes: ask each time, keep no copy.
//   session.user()         { name, roles, permissions }, or null.
//   session.can(permission)   Whether the user holds a permission, for example "workflows:edit". For showing; the server decides.
//   session.renew()        Renews now. Resolves to the new token, or null when the sign-in has ended or the host cannot be reached.
//                          Calls at the same time share one request.
//   session.fetch(input, init)   fetch() with the Authorization header; after a 401 it renews and tries once more.
//   session.resume()       Goes on after "ended", once somebody has signed in again; answers as renew() does.
//   session.logout()       Ends the sign-in on the server and in every tab, then goes to /sign-in. Rejects when the host cannot be reached.
//
// Events (session is an EventTarget)
//   "token"     a new token: event.detail is { token, user }. Also the first one. Hand it to what keeps a copy (Studio's backend provider).
//   "ended"     the sign-in is over: event.detail.reason is "expired", "logout" or "other-user". Unless a listener calls
//               event.preventDefault(), the page then goes to /sign-in (with "other-user" it reloads). After preventDefault() the
//               listener owns that step: session.signIn() takes it.
//   "offline"   the host does not answer; the session goes on trying.
//   "online"    it answers again.
//
// The token lives in this module's memory only; what outlives the page is the HttpOnly cookie that scripts cannot read. It is renewed
// two minutes before it expires, when the page is seen again or the network comes back with an old token, and after a 401.

const renewAheadMs = 120_000;
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;

class Session extends EventTarget {
  #token = null;
  #user = null;
  #expiresAt = 0;
  #timer = 0;
  #retryMs = firstRetryMs;
  #renewing = null;
  #starting = null;
  #isOffline = false;
  #hasEnded = false;
  #tabs = "BroadcastChannel" in window ? new BroadcastChannel("aura-session") : null;

  start() {
    return this.#starting ??= new Promise((resolve) => {
      this.addEventListener("token", () => resolve({ user: this.#user }), { once: true });
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#renewIfOld());
      window.addEventListener("online", () => this.#renewIfOld());
      // A page that comes back out of the browser's cache still holds its old token.
      window.addEventListener("pageshow", (event) => event.persisted && this.#renewIfOld());
      this.#tabs?.addEventListener("message", (event) => event.data === "logout" && this.#end("logout"));
      this.renew();
    });
  }

  token() {
    return this.#token;
  }

  user() {
    return this.#user;
  }

  can(permission) {
    return this.#user?.permissions.includes(permission) ?? false;
  }

  renew() {
    return this.#renewing ??= this.#renew().finally(() => { this.#renewing = null; });
  }

  resume() {
    this.#hasEnded = false;
    return this.renew();
  }

  async fetch(input, init = {}) {
    const used = this.#token;
    const answer = await fetch(this.#request(input, init));
    if (answer.status !== 401)
      return answer;
    // Another call may have renewed it since.
    const token = this.#token === used ? await this.renew() : this.#token;
    return token === null ? answer : fetch(this.#request(input, init));
  }

  async logout() {
    const answer = await fetch("/auth/logout", { method: "POST", credentials: "same-origin" });
    if (!answer.ok && answer.status !== 401)
      throw new Error(`Signing out was refused (${answer.status}).`);
    this.#tabs?.postMessage("logout");
    this.#end("logout");
  }

  /** Goes to the sign-in page, which comes back here. */
  signIn() {
    location.assign("/sign-in?return=" + encodeURIComponent(location.pathname + location.search + location.hash));
  }

  #request(input, init) {
    const request = new Request(input instanceof Request ? input.clone() : input, init);
    if (this.#token !== null)
      request.headers.set("Authorization", "Bearer " + this.#token);
    return request;
  }

  async #renew() {
    if (this.#hasEnded)
      return null;
    let answer;
    try {
      // One tab at a time, where the browser can: each finds the cookie that the one before was given.
      answer = navigator.locks
        ? await navigator.locks.request("aura-session", () => this.#refresh())
        : await this.#refresh();
    } catch {
      return this.#unreachable();
    }

    if (answer.status === 401 || answer.status === 403)
      return this.#end("expired");
    if (answer.body === null)
      return this.#unreachable(answer.retryAfterMs);
    return this.#take(answer.body);
  }

  async #refresh() {
    const answer = await fetch("/auth/refresh", { method: "POST", credentials: "same-origin", signal: AbortSignal.timeout(20_000) });
    const retryAfter = Number(answer.headers.get("Retry-After"));
    return { status: answer.status, body: answer.ok ? await answer.json() : null, retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : 0 };
  }

  #take(body) {
    if (this.#hasEnded)
      return null;
    if (this.#user !== null && this.#user.name !== body.user.name)
      return this.#end("other-user");
    this.#token = body.access_token;
    this.#user = body.user;
    this.#expiresAt = Date.now() + body.expires_in * 1000;
    this.#retryMs = firstRetryMs;
    this.#wait(Math.max(body.expires_in * 1000 - renewAheadMs, firstRetryMs));
    if (this.#isOffline) {
      this.#isOffline = false;
      this.dispatchEvent(new Event("online"));
    }

    this.dispatchEvent(new CustomEvent("token", { detail: { token: this.#token, user: this.#user } }));
    return this.#token;
  }

  #unreachable(afterMs = 0) {
    this.#wait(Math.max(this.#retryMs, afterMs));
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
    if (!this.#isOffline) {
      this.#isOffline = true;
      this.dispatchEvent(new Event("offline"));
    }

    return null;
  }

  #end(reason) {
    if (this.#hasEnded)
      return null;
    this.#hasEnded = true;
    this.#token = null;
    clearTimeout(this.#timer);
    if (this.dispatchEvent(new CustomEvent("ended", { cancelable: true, detail: { reason } }))) {
      if (reason === "other-user")
        location.reload();
      else
        this.signIn();
    }

    return null;
  }

  #wait(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew(), ms);
  }

  // Timers stop while a machine sleeps, so the clock decides.
  #renewIfOld() {
    if (!this.#hasEnded && (this.#isOffline || Date.now() > this.#expiresAt - renewAheadMs))
      this.renew();
  }
}

export const session = new Session();
