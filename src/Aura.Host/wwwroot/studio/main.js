// The page around Elsa Studio: signs in, guards Studio's requests, mounts the view that the address names.

import { session } from "/session.js";
import { guardApi } from "./api.js";
import { makeBar } from "./bar.js";
import { connection } from "./connection.js";
import { saveNow } from "./hotkeys.js";
import { startPalette } from "./palette.js";
import { offerRetry } from "./retry.js";
import { startRouter } from "./router.js";
import { signOut, watchSession } from "./sign-in-dialog.js";

const silent = [403, 409, 413, 429];
const endpoint = new URL("/elsa/api", location.origin).href;
const view = document.getElementById("view");
const stopped = document.getElementById("blazor-error-ui");
const hasStopped = () => stopped.style.display === "block";
let writing = 0;
let isSaveOwed = false;
let lastRefusal = null;

const bar = makeBar({ onSection: (name) => router.goToSection(name), onSignOut: leave });
const palette = startPalette(view);
const retry = offerRetry({ session, endpoint, bar, onRetried: () => router.showAgain() });
let router = { goToSection: (name) => location.assign(new URL(`workflows/${name}`, document.baseURI)) };

guardApi({
  session,
  connection,
  onWriting: (count) => { writing = count; },
  onSaveGivenUp: () => { isSaveOwed = true; payWhatIsOwed(); },
  onUnsure: () => bar.notify("The host did not answer: the workflow may have started or not. The instances will tell."),
  onAnswer(request, answer) {
    if (answer.ok && new URL(request.url).pathname.endsWith("/descriptors/activities"))
      palette.learn(answer.clone());
    else if (answer.ok)
      retry.learn(request, answer.clone());
    else if (answer.status >= 400)
      remember(request, answer.clone());
  },
});

connection.addEventListener("change", () => bar.showConnection(connection.state));
session.addEventListener("offline", () => connection.failed());
session.addEventListener("online", () => connection.worked());
session.addEventListener("token", (event) => {
  bar.showUser(event.detail.user);
  handToStudio(event.detail.token);
});
watchSession(session);

window.addEventListener("beforeunload", (event) => {
  if (writing > 0 || isSaveOwed)
    event.preventDefault();
});
stopped.querySelector(".reload").addEventListener("click", () => location.reload());
new MutationObserver(() => hasStopped() && explainStop()).observe(stopped, { attributes: true, attributeFilter: ["style"] });

await session.start();
router = startRouter({ view, hasStopped, notify: bar.notify, onShow: show, whyAbsent });

function show(shown) {
  bar.showView(shown);
  retry.show(shown);
  document.getElementById("aura-error-list").href = `workflows/${shown.section}`;
}

/** Why a view cannot be shown, or null: Studio would stop over a refusal, and not say why. */
async function whyAbsent({ at, value }) {
  if (!session.can("workflows:read"))
    return `Your roles (${session.user().roles.join(", ") || "none"}) do not allow to see workflows. Ask the Director.`;
  if (!at)
    return null;
  const answer = await fetch(`${endpoint}/${at(encodeURIComponent(value))}`);
  return answer.status === 404 ? (await answer.json()).detail : null;
}

/** Studio takes address and token from such an element when it starts, and from each further one. */
function handToStudio(token) {
  const provider = document.createElement("elsa-backend-provider");
  provider.setAttribute("remote-endpoint", endpoint);
  provider.setAttribute("access-token", token);
  const former = document.querySelectorAll("elsa-backend-provider");
  document.body.append(provider);
  for (const old of former)
    old.remove();
}

/** A save that Studio was told had failed is made as soon as it can be, with all that has changed since. */
async function payWhatIsOwed() {
  await connection.restored();
  while (session.token() === null)
    await new Promise((resolve) => session.addEventListener("token", resolve, { once: true }));
  if (!isSaveOwed || hasStopped())
    return;
  isSaveOwed = false;
  await saveNow();
}

async function leave() {
  if ((writing > 0 || isSaveOwed) && !confirm("A change has not reached the host yet. Sign out all the same?"))
    return;
  try {
    await signOut(session);
  } catch {
    bar.notify("The host does not answer, so you are still signed in. Try again when it does.");
  }
}

/** The host's own words for its last refusal: Studio has none when it stops over one. */
async function remember(request, answer) {
  const refusal = lastRefusal = { status: answer.status, text: null };
  const told = await answer.json().catch(() => null);
  refusal.text = told?.detail ?? told?.title ?? `${request.method} ${new URL(request.url).pathname} was answered with ${answer.status}.`;
  // Studio shows a 400; these it drops, or dies of.
  if (silent.includes(answer.status))
    bar.notify(refusal.text);
  if (refusal === lastRefusal && hasStopped())
    explainStop();
}

function explainStop() {
  const text = "Studio has stopped" + (lastRefusal?.text ? `: ${lastRefusal.text}` : ".")
    + (lastRefusal?.status === 404 ? "" : " What was saved is safe; reload to go on.");
  const error = document.getElementById("aura-error");
  if (error.textContent !== text)
    error.textContent = text;
}
