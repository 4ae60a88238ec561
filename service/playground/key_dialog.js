/** Asks for the API key, where the service wants one. It is kept for this tab alone. */

import { useObservable } from "./observable.js";
import { giveKey, keyWanted } from "./service.js";
import { html, useLayoutEffect, useRef } from "./vendor/htm-preact.js";

export function KeyDialog() {
  const wanted = useObservable(keyWanted);
  const element = useRef(null);
  useLayoutEffect(() => {
    if (wanted !== null && !element.current.open) element.current.showModal();
    if (wanted === null && element.current.open) element.current.close();
  }, [wanted]);
  const given = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (element.current.querySelector("input"));
    if (input.value.trim()) giveKey(input.value);
    input.value = "";
  };
  // Nothing can be done here without a key: it stays open. A browser heeds no `cancel` that is prevented twice.
  const closed = () => keyWanted.value !== null && element.current.showModal();
  return html`
    <dialog ref=${element} aria-labelledby="key-title" onClose=${closed}>
      <form class="dialog" onSubmit=${given}>
        <h2 id="key-title">This service asks for a key</h2>
        <p>Whoever runs it has one for you. It is kept for this tab, until you close it.</p>
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck="false"
          aria-invalid=${wanted ? "true" : undefined}
          aria-describedby="key-wrong"
          required
        />
        <p id="key-wrong" class="wrong" role="alert">${wanted}</p>
        <div class="actions"><button type="submit" class="first">Use it</button></div>
      </form>
    </dialog>
  `;
}
