// Studio's editor and instance list register themselves with this object. Each brings an inline script that assigns an object of its own
// with the same keys; this one cannot be replaced, because the page itself has to make the editor save (saveNow).

const keys = [
  { key: "s", shift: false, view: "elsa-workflow-definition-editor", method: "OnHotKeysCtrlS" },
  { key: "s", shift: true, view: "elsa-workflow-definition-editor", method: "OnHotKeysCtrlShiftS" },
  { key: "r", shift: false, view: "elsa-workflow-instance-list", method: "OnHotKeysCtrlR" },
];

let listener = null;
let current = null;

const hotkeys = {
  register(component) {
    this.dispose();
    current = component;
    listener = (event) => {
      if (!event.ctrlKey && !event.metaKey)
        return;
      const hit = keys.find((k) => k.key === event.key.toLowerCase() && k.shift === event.shiftKey && document.querySelector("#view > " + k.view));
      if (!hit)
        return;
      event.preventDefault();
      component.invokeMethodAsync(hit.method);
    };
    window.addEventListener("keydown", listener);
  },
  dispose() {
    window.removeEventListener("keydown", listener);
    listener = current = null;
  },
};
// An assignment to a property that cannot be written is ignored, without an error, outside of modules.
Object.defineProperty(window, "editorHotkeys", { value: hotkeys });

/** Lets the editor save what is on its canvas, if an editor is there. */
export async function saveNow() {
  if (document.querySelector("#view > elsa-workflow-definition-editor"))
    await current?.invokeMethodAsync("OnHotKeysCtrlS");
}
