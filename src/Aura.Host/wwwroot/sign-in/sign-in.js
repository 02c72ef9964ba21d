// The sign-in form. No token is kept here: the page that comes next gets its own with the cookie.
import { returnAddress } from "/sign-in/return-path.js";

const form = document.getElementById("form");
const name = document.getElementById("username");
const password = document.getElementById("password");
const error = document.getElementById("error");
const submit = document.getElementById("submit");

function proceed() {
  location.replace(returnAddress(new URLSearchParams(location.search).get("return"), location.origin));
}

function show(message, field) {
  error.textContent = message;
  for (const input of [name, password])
    input.setAttribute("aria-invalid", String(input === field));
  field?.focus();
}

async function signIn() {
  let answer;
  try {
    answer = await fetch("/auth/login", {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: name.value, password: password.value }),
    });
  } catch {
    show("Aura does not answer. Check the connection and try again.");
    return;
  }

  if (answer.ok) {
    proceed();
    return;
  }

  if (answer.status === 401) {
    password.value = "";
    show("The name or the password is wrong.", password);
    return;
  }

  const problem = await answer.json().catch(() => null);
  show(problem?.detail ?? `Signing in failed (${answer.status}).`);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  error.textContent = "";
  submit.disabled = true;
  try {
    await signIn();
  } finally {
    submit.disabled = false;
  }
});

// Who is signed in already has nothing to do here.
fetch("/auth/refresh", { method: "POST", credentials: "same-origin" })
  .then((answer) => answer.ok ? proceed() : name.focus(), () => name.focus());
