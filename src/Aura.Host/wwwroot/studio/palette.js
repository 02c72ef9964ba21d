// Aura's own activities in the toolbox: colour and icon as on the canvas. There, palette.css finds an activity by its type; the toolbox
// shows display names only, so its entries are marked with the type here.

const prefix = "Aura.";
const entries = ".mud-paper[draggable=true]";

/** Marks the toolbox whenever it changes. learn(answer) takes the activity descriptors as Studio gets them. */
export function startPalette(view) {
  const types = new Map();
  let isDue = false;

  function mark() {
    isDue = false;
    if (types.size === 0)
      return;
    for (const entry of view.querySelectorAll(entries)) {
      const type = types.get(entry.textContent.trim());
      if (entry.dataset.auraActivity === type)
        continue;
      // A search leaves an element in its place and gives it another activity's name.
      if (type)
        entry.dataset.auraActivity = type;
      else
        delete entry.dataset.auraActivity;
    }
  }

  function soon() {
    if (isDue)
      return;
    isDue = true;
    requestAnimationFrame(mark);
  }

  new MutationObserver(soon).observe(view, { childList: true, characterData: true, subtree: true });

  return {
    async learn(answer) {
      const { items } = await answer.json();
      for (const item of items) {
        if (item.typeName.startsWith(prefix))
          types.set(item.displayName ?? item.name, item.typeName);
      }

      soon();
    },
  };
}
