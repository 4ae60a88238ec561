/**
 * A file to be taken home. The service signs its address for a time only: past that, another is asked for.
 *
 * Knows nothing of what is in the file.
 */

import { Message, show } from "./modal.js";
import { address, serviceNow } from "./service.js";
import { html } from "./vendor/htm-preact.js";

/** @param {{ url: string, name: string, renewed: () => Promise<string>, children?: any }} props */
export function SignedDownload({ url, name, renewed, children }) {
  const taken = async (/** @type {Event} */ event) => {
    const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
    if (isInForce(link)) return;
    event.preventDefault();
    try {
      link.href = address(await renewed());
      if (isInForce(link)) link.click();
    } catch (error) {
      show("It cannot be downloaded", Message, { error });
    }
  };
  return html`<a class="button" href=${address(url)} download=${name} onClick=${taken}>${children}</a>`;
}

/** @param {HTMLAnchorElement} link */
function isInForce({ href }) {
  return Number(new URL(href).searchParams.get("expires")) * 1000 > serviceNow();
}
