// The bar above Studio: sections, who is signed in, whether the host answers, a way out.

const noticeMs = 12_000;

const connectionWords = {
  online: ["Online", "The host answers."],
  reconnecting: ["Reconnecting …", "The host does not answer. Changes wait here and are sent as soon as it does; keep this page open."],
  offline: ["Offline", "This machine has no network. Changes wait here and are sent as soon as it has; keep this page open."],
};

/** onSection(name) and onSignOut() are told of clicks. */
export function makeBar({ onSection, onSignOut }) {
  const user = document.getElementById("aura-user");
  const state = document.getElementById("aura-connection");
  const notice = document.getElementById("aura-notice");
  const signOut = document.getElementById("aura-sign-out");
  const retry = document.getElementById("aura-retry");
  const sections = [...document.querySelectorAll("#aura-bar [data-section]")];
  let noticeTimer = 0;

  for (const link of sections) {
    link.addEventListener("click", (event) => {
      // A new tab or window is the browser's business.
      if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
        return;
      event.preventDefault();
      onSection(link.dataset.section);
    });
  }

  signOut.addEventListener("click", onSignOut);

  return {
    showUser({ name, roles }) {
      const small = document.createElement("small");
      small.textContent = roles.join(", ");
      user.replaceChildren(name, small);
      signOut.disabled = false;
    },
    showConnection(name) {
      const [text, title] = connectionWords[name];
      state.dataset.state = name;
      state.textContent = text;
      state.title = title;
    },
    showView({ section, title, value }) {
      document.title = (value ? `${title} ${value}` : title) + " · Aura Studio";
      for (const link of sections)
        link.toggleAttribute("aria-current", false);
      sections.find((link) => link.dataset.section === section)?.setAttribute("aria-current", "page");
    },
    showRetry(does, onClick = null) {
      retry.hidden = !does;
      retry.onclick = onClick;
    },
    notify(text) {
      clearTimeout(noticeTimer);
      notice.textContent = notice.title = text;
      notice.hidden = false;
      noticeTimer = setTimeout(() => { notice.hidden = true; }, noticeMs);
    },
  };
}
