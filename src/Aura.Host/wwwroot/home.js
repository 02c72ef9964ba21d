// The home page: who is signed in, the way to Studio, and the PRDs with their status.
import { session } from "/session.js";

const element = (id) => document.getElementById(id);
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
let cursor = null;

session.addEventListener("offline", () => say("Aura does not answer. Trying again …"));
session.addEventListener("online", () => say(""));
element("more").addEventListener("click", showMore);
element("sign-out").addEventListener("click", async () => {
  try {
    await session.logout();
  } catch {
    say("Signing out did not reach Aura: you are still signed in. Try again.");
  }
});

const { user } = await session.start();
element("user").textContent = `${user.name} (${user.roles.join(", ")})`;
element("sign-out").hidden = false;
element("workflows").hidden = !session.can("workflows:read");
if (session.can("organisation:read"))
  await showMore();
else if (element("workflows").hidden)
  say("Your roles give access to nothing on this page. A Director can change them.");

async function showMore() {
  element("more").disabled = true;
  try {
    const answer = await session.fetch("/prds" + (cursor === null ? "" : "?cursor=" + encodeURIComponent(cursor)));
    const body = await answer.json();
    if (!answer.ok)
      throw new Error(body.detail ?? body.title);
    for (const prd of body.items)
      element("rows").append(row(prd));
    cursor = body.next_cursor;
    element("prds").hidden = false;
    element("none").hidden = element("rows").childElementCount > 0;
    element("more").hidden = cursor === null;
  } catch (e) {
    say(`The PRDs could not be read: ${e.message}`);
  } finally {
    element("more").disabled = false;
  }
}

function row(prd) {
  const tr = document.createElement("tr");
  for (const text of [prd.id, prd.title, prd.project_id, prd.status.replaceAll("_", " ").toLowerCase(), when.format(new Date(prd.updated_at))])
    tr.insertCell().textContent = text;
  return tr;
}

function say(text) {
  element("status").textContent = text;
}
