// Signing in again without leaving the page, so that the canvas and the requests that wait stay as they are.

const reasons = {
  expired: "Your sign-in has ended. Sign in again to go on where you are; nothing on this page is lost.",
  logout: "You have signed out in another tab. Sign in again to go on where you are, or leave this page.",
};

/** Owns the session's end from now on. */
export function watchSession(session) {
  session.addEventListener("ended", (event) => {
    // Nobody has been here yet, or the user wants to leave: then there is nothing to keep.
    if (isLeaving || session.user() === null)
      return;
    event.preventDefault();
    if (event.detail.reason === "other-user")
      ask(session, `Somebody else has signed in in this browser. Sign in as ${session.user().name} to go on, or leave this page.`);
    else
      ask(session, reasons[event.detail.reason] ?? reasons.expired);
  });
}

/** The user's own wish: the page is left for the sign-in page. */
export async function signOut(session) {
  isLeaving = true;
  try {
    await session.logout();
  } finally {
    isLeaving = false;
  }
}

let isLeaving = false;
let dialog = null;

function ask(session, text) {
  dialog ??= makeDialog(session);
  dialog.querySelector(".reason").textContent = text;
  if (!dialog.open)
    dialog.showModal();
}

function makeDialog(session) {
  const made = document.createElement("dialog");
  made.id = "aura-sign-in";
  made.innerHTML = `
    <form>
      <h2>Sign in again</h2>
      <p class="reason"></p>
      <label>Name <input name="username" autocomplete="username" required></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required autofocus></label>
      <p class="problem" role="alert"></p>
      <div class="choices"><button type="button" class="leave">Leave this page</button><button type="submit">Sign in</button></div>
    </form>`;
  const form = made.querySelector("form");
  const problem = made.querySelector(".problem");
  form.username.value = session.user()?.name ?? "";
  // Escape would leave a page that looks alive and cannot save.
  made.addEventListener("cancel", (event) => event.preventDefault());
  made.querySelector(".leave").addEventListener("click", () => { made.dataset.leaving = ""; session.signIn(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = form.querySelector("[type=submit]");
    submit.disabled = true;
    problem.textContent = "";
    try {
      problem.textContent = await signIn(session, form.username.value, form.password.value);
      if (problem.textContent === "") {
        form.password.value = "";
        made.close();
      }
    } finally {
      submit.disabled = false;
    }
  });
  // Another tab may sign in, or the host may take the old cookie after all.
  session.addEventListener("token", () => made.open && made.close());
  document.body.append(made);
  return made;
}

/** What is wrong, or nothing. */
async function signIn(session, username, password) {
  let answer;
  try {
    answer = await fetch("/auth/login", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password }),
    });
  } catch {
    return "The host does not answer. Try again in a moment.";
  }

  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    return [told?.title ?? `The sign-in was refused (${answer.status})`, told?.detail].filter(Boolean).join(". ");
  }

  if (username !== session.user()?.name)
    return `You are signed in as ${username} now, but this page is ${session.user()?.name}'s. Sign in as that user, or leave this page.`;
  return await session.resume() === null ? "The sign-in was taken, but no token came. Try again in a moment." : "";
}
