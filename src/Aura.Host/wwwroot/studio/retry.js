// A button for what Studio lacks: a faulted instance goes on from the activity that broke.

const instance = /\/workflow-instances\/([^/]+)$/;

/** bar: { showRetry(does, onClick) }; onRetried() is called when the instance runs again. */
export function offerRetry({ session, endpoint, bar, onRetried }) {
  let shownId = null;

  return {
    /** Another view is shown. */
    show(view) {
      shownId = view.section === "instances" ? view.value ?? null : null;
      bar.showRetry(false);
    },

    /** An answer that Studio was given, which may be about the instance that is shown. */
    async learn(request, answer) {
      const id = instance.exec(new URL(request.url).pathname)?.[1];
      if (request.method !== "GET" || shownId === null || id !== encodeURIComponent(shownId) || !session.can("workflows:run"))
        return;
      const { subStatus } = await answer.json();
      if (id === encodeURIComponent(shownId ?? ""))
        bar.showRetry(subStatus === "Faulted", () => retry(shownId));
    },
  };

  async function retry(id) {
    bar.showRetry(false);
    const answer = await fetch(`${endpoint}/alterations/workflows/retry`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ workflowInstanceIds: [id] }),
    });
    // The page tells of a refusal itself.
    if (!answer.ok)
      return;
    const [result] = (await answer.json()).results;
    if (!result.isSuccessful)
      bar.notify(result.log.map((line) => line.message).join(" "));
    else if (id === shownId)
      onRetried();
  }
}
