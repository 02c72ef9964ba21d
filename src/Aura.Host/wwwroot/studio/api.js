// Stands between Studio and Elsa's API. Studio cannot go on after a 401 or a lost connection, so it sees neither: every request carries
// the newest token, one that comes too late is renewed and sent again, and while the host or the sign-in is gone requests wait.

const apiPaths = "/elsa/";
// What starts or wakes a workflow: sent a second time it might do so twice. Everything else says the same thing again.
const onceOnly = /\/(execute|dispatch|bulk-dispatch|trigger|resume|import)$|\/tests\//;
const gatewayTrouble = [502, 503, 504];

/**
 * Puts itself before window.fetch.
 * onAnswer(request, answer) is told of every answer that Studio gets; onHeld(count) how many writing requests are under way.
 */
export function guardApi({ session, connection, onAnswer, onWriting }) {
  const plainFetch = window.fetch.bind(window);
  let writing = 0;

  window.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, document.baseURI);
    return url.origin === location.origin && url.pathname.startsWith(apiPaths)
      ? send(new Request(input, init))
      : plainFetch(input, init);
  };

  async function send(request) {
    const isWrite = request.method !== "GET" && request.method !== "HEAD";
    if (isWrite)
      onWriting(++writing);
    try {
      const answer = await untilAnswered(request);
      onAnswer(request, answer);
      return answer;
    } finally {
      if (isWrite)
        onWriting(--writing);
    }
  }

  async function untilAnswered(request) {
    const mayRepeat = !onceOnly.test(new URL(request.url).pathname);
    let isRenewed = false;
    for (let troubles = 0; ;) {
      await connection.restored(request.signal);
      const token = session.token() ?? await nextToken(request.signal);
      const attempt = request.clone();
      attempt.headers.set("Authorization", "Bearer " + token);
      let answer;
      try {
        answer = await plainFetch(attempt);
      } catch (error) {
        if (request.signal.aborted)
          throw error;
        connection.failed();
        if (!mayRepeat)
          throw error;
        continue;
      }

      if (gatewayTrouble.includes(answer.status) && mayRepeat) {
        connection.failed();
        // The host may well answer /health and yet not this.
        await pause(Math.min(500 * 2 ** troubles++, 10_000), request.signal);
        continue;
      }

      connection.worked();
      if (answer.status !== 401 || isRenewed)
        return answer;
      isRenewed = true;
      // Another request may have renewed it since.
      if (session.token() === token && await session.renew() === null)
        await nextToken(request.signal);
    }
  }

  /** The session's next token: after a sign-in, or when the host answers again. */
  function nextToken(signal) {
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      session.addEventListener("token", (event) => { stop.abort(); resolve(event.detail.token); }, { signal: stop.signal });
      signal.addEventListener("abort", () => { stop.abort(); reject(signal.reason); }, { signal: stop.signal });
    });
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
