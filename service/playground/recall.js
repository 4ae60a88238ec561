/** From a picture back to its settings: dropped on the page, or chosen. */

import { observable, useObservable } from "./observable.js";
import { askJson } from "./service.js";
import { recall } from "./settings.js";
import { say } from "./said.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];

/** What became of the last one. */
const recalled = observable(/** @type {null | { name: string, error?: string, found?: any }} */ (null));

/** @param {File} file */
async function recallFrom(file) {
  try {
    location.hash = ""; // where it is told what became of it
    const type = TYPES.includes(file.type) ? file.type : "application/octet-stream";
    const found = await askJson("inspect", { method: "POST", headers: { "Content-Type": type }, body: file });
    recall(found.parameters);
    recalled.set({ name: file.name, found });
    say(`The settings of ${file.name} are in the form.`);
  } catch (error) {
    recalled.set({ name: file.name, error: /** @type {Error} */ (error).message });
  }
}

export function RecallButton() {
  const input = useRef(null);
  const chosen = () => {
    const [file] = input.current.files;
    if (file) recallFrom(file);
    input.current.value = ""; // the same one may be chosen again
  };
  return html`
    <button type="button" onClick=${() => input.current.click()}>From a picture…</button>
    <input ref=${input} type="file" hidden aria-label="Picture" accept=${TYPES.join(",")} onChange=${chosen} />
    <${Recalled} />
  `;
}

function Recalled() {
  const last = useObservable(recalled);
  if (!last) return null;
  if (last.error) return html`<p class="wrong" role="alert">${last.name}: ${last.error}</p>`;
  const { software, index, unmapped, parameters } = last.found;
  const several = parameters.num_images_per_prompt > 1
    ? `, picture ${index + 1} of ${parameters.num_images_per_prompt}`
    : "";
  return html`
    <div class="hint recalled">
      <p>Settings of ${last.name}, by ${software}${several}.</p>
      ${unmapped.length > 0 &&
        html`
          <details>
            <summary>Not taken over: ${unmapped.length}</summary>
            <ul>
              ${unmapped.map(
                (/** @type {any} */ each) =>
                  html`<li key=${each.name}>${each.name} (${each.value}): ${each.detail}</li>`,
              )}
            </ul>
          </details>
        `}
    </div>
  `;
}

/** The whole page takes a picture that is dropped on it. */
export function DropTarget() {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const holdsFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
    const over = (/** @type {DragEvent} */ event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setIsOver(true);
    };
    const left = (/** @type {DragEvent} */ event) => event.relatedTarget === null && setIsOver(false);
    const dropped = (/** @type {DragEvent} */ event) => {
      setIsOver(false);
      if (!holdsFile(event)) return;
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) recallFrom(file);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", left);
    addEventListener("drop", dropped);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", left);
      removeEventListener("drop", dropped);
    };
  }, []);
  return html`<p class="drop" hidden=${!isOver}>Drop a picture to have its settings back</p>`;
}
