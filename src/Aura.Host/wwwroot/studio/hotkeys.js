// Studio's editor and instance list expect this object. Their own inline script that defines it is blocked by the page's policy,
// and without the object both views break.

const keys = [
  { key: "s", shift: false, view: "elsa-workflow-definition-editor", method: "OnHotKeysCtrlS" },
  { key: "s", shift: true, view: "elsa-workflow-definition-editor", method: "OnHotKeysCtrlShiftS" },
  { key: "r", shift: false, view: "elsa-workflow-instance-list", method: "OnHotKeysCtrlR" },
];

let listener = null;
let current = null;

window.editorHotkeys = {
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

/** Lets the editor save what is on its canvas, if an editor is there. */
export async function saveNow() {
  if (document.querySelector("#view > elsa-workflow-definition-editor"))
    await current?.invokeMethodAsync("OnHotKeysCtrlS");
}
