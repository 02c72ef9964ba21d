// Which of Studio's views the address names, and how one follows another.
//
// Studio's elements know no pages: they call pushState and replaceState and expect somebody to act on it. Only one view may be there at
// a time, and Blazor disposes of a removed one a second later, so the next waits for that.

const disposalMs = 1_500;

const views = [
  { path: /^workflows\/definitions\/?$/, tag: "elsa-workflow-definition-list", section: "definitions", title: "Definitions" },
  { path: /^workflows\/definitions\/([^/]+)\/edit\/?$/, tag: "elsa-workflow-definition-editor", attribute: "definition-id", section: "definitions", title: "Definition", at: (id) => `workflow-definitions/by-definition-id/${id}` },
  { path: /^workflows\/instances\/?$/, tag: "elsa-workflow-instance-list", section: "instances", title: "Instances" },
  { path: /^workflows\/instances\/([^/]+)\/view\/?$/, tag: "elsa-workflow-instance-viewer", attribute: "instance-id", section: "instances", title: "Instance", at: (id) => `workflow-instances/${id}/execution-state` },
];

// Where Studio's links lead that its package has no page for.
const absent = [
  { path: /^alterations\/instances\/([^/]+)/, to: (id) => `workflows/instances/${id}/view`, why: "Alterations have no page here; this is the instance." },
  { path: /^diagnostics\/structured-logs/, to: logsOf, why: "Logs have no page here; the instance's journal is below." },
  { path: /^$/, to: () => "workflows/definitions", why: null },
  { path: /^/, to: () => "workflows/definitions", why: "There is no such page in Studio; these are the definitions." },
];

function logsOf(_, query) {
  const id = query.get("workflowInstanceId");
  return id ? `workflows/instances/${encodeURIComponent(id)}/view` : "workflows/instances";
}

/**
 * host: { view: the element to fill; onShow(view): told what is shown; notify(text); hasStopped(): whether Studio is dead;
 * whyAbsent(view): why it cannot be shown, or null }.
 */
export function startRouter(host) {
  const base = new URL(document.baseURI);
  const lastQuery = {};
  let shown = null;
  let isSettling = false;
  let isStale = false;

  const callbacks = {
    editWorkflowDefinition: (id) => go(`workflows/definitions/${encodeURIComponent(id)}/edit`),
    viewWorkflowInstance: (id) => go(`workflows/instances/${encodeURIComponent(id)}/view`),
  };

  function go(relative) {
    const url = new URL(relative, base);
    if (host.hasStopped())
      location.assign(url);
    else if (window.Blazor?.navigateTo)
      // Through Blazor, so that Studio's own idea of the address stays true.
      window.Blazor.navigateTo(url.href);
    else
      history.pushState(null, "", url);
  }

  /** The list of a section, as it was left. */
  function goToSection(section) {
    go(`workflows/${section}${lastQuery[section] ?? ""}`);
  }

  /** The view that the address names, or null after the address was changed to one that has a view. */
  function wanted() {
    const relative = location.pathname.slice(base.pathname.length);
    for (const view of views) {
      const match = view.path.exec(relative);
      if (!match)
        continue;
      if (!view.attribute)
        lastQuery[view.section] = location.search;
      return { ...view, key: relative.replace(/\/$/, ""), value: match[1] && decoded(match[1]) };
    }

    const { path, to, why } = absent.find((a) => a.path.test(relative));
    if (why)
      host.notify(why);
    history.replaceState(null, "", new URL(to(path.exec(relative)[1], new URLSearchParams(location.search)), base));
    return null;
  }

  async function settle() {
    if (isSettling)
      return;
    isSettling = true;
    try {
      for (let view = wanted(); view?.key !== shown || isStale; view = wanted()) {
        if (view === null)
          continue;
        await customElements.whenDefined(view.tag);
        isStale = false;
        if (shown !== null) {
          host.view.replaceChildren();
          shown = null;
          await new Promise((resolve) => setTimeout(resolve, disposalMs));
          continue;
        }

        const problem = await host.whyAbsent(view);
        if (wanted()?.key !== view.key)
          continue;
        if (problem === null)
          mount(view);
        else
          explain(view, problem);
        shown = view.key;
        host.onShow(view);
      }
    } finally {
      isSettling = false;
    }
  }

  function mount(view) {
    // The element starts to work when it is made, so it is made, filled and attached in one go.
    const element = document.createElement(view.tag);
    if (view.attribute)
      element.setAttribute(view.attribute, view.value);
    if (view.tag === "elsa-workflow-definition-list" || view.tag === "elsa-workflow-instance-viewer")
      element.editWorkflowDefinition = callbacks.editWorkflowDefinition;
    if (view.tag === "elsa-workflow-instance-list")
      element.viewWorkflowInstance = callbacks.viewWorkflowInstance;
    host.view.replaceChildren(element);
  }

  function explain({ section, title, value }, problem) {
    const page = document.createElement("section");
    page.id = "aura-absent";
    const [heading, why] = ["h1", "p"].map((name) => page.appendChild(document.createElement(name)));
    heading.textContent = value ? `This ${title.toLowerCase()} is not there` : `${title} cannot be shown`;
    why.textContent = problem;
    if (value) {
      const list = page.appendChild(document.createElement("a"));
      list.textContent = `Show all ${section}`;
      list.href = `workflows/${section}`;
    }

    host.view.replaceChildren(page);
  }

  /** The same view from the beginning: Studio listens for news only of what ran when it was opened. */
  function showAgain() {
    isStale = true;
    settle();
  }

  function moved() {
    if (host.hasStopped())
      location.reload();
    else
      settle();
  }

  for (const name of ["pushState", "replaceState"]) {
    const original = history[name];
    history[name] = function (...args) {
      original.apply(history, args);
      // Not at once: Studio may be in the middle of something.
      queueMicrotask(moved);
    };
  }

  window.addEventListener("popstate", moved);
  // Some of Studio's links are written from the host's root, above the page's own base.
  window.navigation?.addEventListener("navigate", (event) => {
    const url = new URL(event.destination.url);
    if (event.canIntercept && !event.hashChange && event.downloadRequest === null && url.origin === base.origin
        && /^\/(workflows\/(definitions|instances)|alterations|diagnostics)(\/|$)/.test(url.pathname)) {
      event.preventDefault();
      queueMicrotask(() => go(url.pathname.slice(1) + url.search));
    }
  });
  settle();
  return { goToSection, showAgain };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
