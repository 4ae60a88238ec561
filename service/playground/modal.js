/** Dialogs over the page, one above the other; each closes by Escape, by its button and by a click beside it. */

import { observable, useObservable } from "./observable.js";
import { html, useLayoutEffect, useRef } from "./vendor/htm-preact.js";

const open = observable(/** @type {{ id: number, title: string, content: any, props: any }[]} */ ([]));
let count = 0;

/**
 * @param {string} title
 * @param {any} content a component; its property `close` closes the dialog
 * @param {Record<string, any>} props its others
 */
export function show(title, content, props) {
  count += 1;
  open.set([...open.value, { id: count, title, content, props }]);
}

export function Dialogs() {
  return useObservable(open).map((each) => {
    const closed = () => open.set(open.value.filter((other) => other.id !== each.id));
    return html`<${Shown} key=${each.id} ...${each} closed=${closed} />`;
  });
}

/** @param {{ id: number, title: string, content: any, props: any, closed: () => void }} props */
function Shown({ id, title, content: Content, props, closed }) {
  const element = useRef(null);
  const close = () => element.current.close(); // and the focus goes back to where it was
  useLayoutEffect(() => element.current.showModal(), []);
  // Where it was pressed, not released: a text is selected from within.
  const beside = (/** @type {MouseEvent} */ event) => event.target === element.current && close();
  return html`
    <dialog ref=${element} aria-labelledby="dialog-${id}" onClose=${closed} onMouseDown=${beside}>
      <div class="dialog">
        <div class="dialog-head">
          <h2 id="dialog-${id}">${title}</h2>
          <button type="button" class="plain" onClick=${close}>Close</button>
        </div>
        <${Content} ...${props} close=${close} />
      </div>
    </dialog>
  `;
}

/**
 * Before something is done for ever; the title asks.
 *
 * @param {{ verb: string, done: () => void, close: () => void }} props
 */
export function Confirmation({ verb, done, close }) {
  const agreed = () => {
    close();
    done();
  };
  return html`
    <div class="actions">
      <button type="button" class="danger" onClick=${agreed}>${verb}</button>
      <button type="button" onClick=${close}>Keep</button>
    </div>
  `;
}

/**
 * What went wrong.
 *
 * @param {{ error: any }} props an Error
 */
export function Message({ error }) {
  return html`<p class="wrong">${error.message}</p>`;
}
