// Stands between Studio and Elsa's API. Studio cannot go on after a 401 or a lost connection, so it sees neither: every request carries
// the newest token, one that comes too late is renewed and sent again, and while the host or the sign-in is gone requests wait.

import { LastAnswers } from "./last-answers.js";

const apiPaths = "/elsa/";
// What starts or wakes a workflow: sent a second time it might do so twice. Everything else says the same thing again.
const onceOnly = /\/(execute|dispatch|bulk-dispatch|trigger|resume|import)$|\/tests\//;
const gatewayTrouble = [502, 503, 504];
const refusals = [403, 409];
// Studio's own client gives up after 100 seconds: silently on a save, and with the end of Studio on a question that a view asks again and
// again. So before that a save is answered with a message, and such a question with its last answer.
const longestWaitMs = 90_000;
const saves = /\/workflow-definitions(\/[^/]+\/(publish|retract))?$/;
const starts = /\/execute$/;
// What Studio offers to everybody; it would stop over a refusal.
const acts = /\/(bulk-actions|cancel)\/|\/workflow-(definitions|definition-versions|instances)\/[^/]+$/;

/**
 * Puts itself before window.fetch.
 * onAnswer(request, answer) is told of every answer that Studio gets; onWriting(count) how many writing requests are under way;
 * onSaveGivenUp() that a save has waited for too long: it was not sent; onUnsure() that a start was sent and not answered.
 */
export function guardApi({ session, connection, onAnswer, onWriting, onSaveGivenUp, onUnsure }) {
  const plainFetch = window.fetch.bind(window);
  const lastAnswers = new LastAnswers();
  let writing = 0;
  let lastSave = Promise.resolve();

  window.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, document.baseURI);
    return url.origin === location.origin && url.pathname.startsWith(apiPaths)
      ? send(new Request(input, init))
      : plainFetch(input, init);
  };

  async function send(request) {
    const path = new URL(request.url).pathname;
    const isSave = request.method === "POST" && saves.test(path);
    const question = await lastAnswers.keyOf(request);
    const isWrite = question === null;
    const giveUp = new AbortController();
    const timer = setTimeout(() => (isSave || lastAnswers.has(question)) && giveUp.abort(), longestWaitMs);
    const saveBefore = lastSave;
    let saveIsOver = () => {};
    if (isSave)
      lastSave = new Promise((resolve) => { saveIsOver = resolve; });
    if (isWrite)
      onWriting(++writing);
    try {
      // Studio makes the next save before the last one is answered. After a wait the older one must not arrive behind the newer.
      if (isSave)
        await saveBefore;
      const answer = await untilAnswered(request, AbortSignal.any([request.signal, giveUp.signal]));
      onAnswer(request, answer);
      if (answer.ok && !isWrite)
        lastAnswers.keep(question, answer);
      return isWrite && refusals.includes(answer.status) ? survivable(answer, path, isSave) : answer;
    } catch (error) {
      if (request.signal.aborted)
        throw error;
      if (giveUp.signal.aborted && !isSave)
        return lastAnswers.get(question);
      if (giveUp.signal.aborted) {
        onSaveGivenUp();
        return notSaved();
      }

      if (!starts.test(path))
        throw error;
      onUnsure();
      return notStarted();
    } finally {
      clearTimeout(timer);
      saveIsOver();
      if (isWrite)
        onWriting(--writing);
    }
  }

  /** patience ends a wait, never a request that is under way. */
  async function untilAnswered(request, patience) {
    const mayRepeat = !onceOnly.test(new URL(request.url).pathname);
    let isRenewed = false;
    for (let troubles = 0; ;) {
      await connection.restored(patience);
      const token = session.token() ?? await nextToken(patience);
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
        await pause(Math.min(500 * 2 ** troubles++, 10_000), patience);
        continue;
      }

      connection.worked();
      if (answer.status !== 401 || isRenewed)
        return answer;
      isRenewed = true;
      // Another request may have renewed it since.
      if (session.token() === token && await session.renew() === null)
        await nextToken(patience);
    }
  }

  /** The session's next token: after a sign-in, or when the host answers again. */
  function nextToken(signal) {
    return new Promise((resolve, reject) => {
      // Of a signal that has aborted already no event comes any more.
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }

      const stop = new AbortController();
      session.addEventListener("token", (event) => { stop.abort(); resolve(event.detail.token); }, { signal: stop.signal });
      signal.addEventListener("abort", () => { stop.abort(); reject(signal.reason); }, { signal: stop.signal });
    });
  }
}

function notSaved() {
  return problem("Not saved yet", "Not saved yet: the host or your sign-in is gone. Keep this page open; the change is saved when they are back.");
}

/** A refusal in a form that Studio goes on after: its list shows that nothing has changed, and the page tells why. */
async function survivable(answer, path, isSave) {
  if (isSave) {
    const told = await answer.clone().json().catch(() => null);
    return problem(told?.title ?? "Refused", told?.detail ?? told?.title ?? `The host refused this (${answer.status}).`);
  }

  if (starts.test(path))
    return notStarted();
  return acts.test(path) ? new Response("{}", { headers: { "Content-Type": "application/json" } }) : answer;
}

/** In the form that Studio shows as a message. */
function problem(title, message) {
  return new Response(JSON.stringify({ title, status: 400, errors: { generalErrors: [message] } }), {
    status: 400,
    headers: { "Content-Type": "application/problem+json" },
  });
}

/** As the host says it of a workflow that cannot start: Studio then shows a message and stays where it is. */
function notStarted() {
  return new Response("{}", { headers: { "Content-Type": "application/json", "x-elsa-workflow-cannot-start": "True" } });
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}
