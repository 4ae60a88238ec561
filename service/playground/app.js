/** The page as a whole: its head, its two views, and what lies over them. */

import { Gallery } from "./gallery.js";
import { cancelGrid, grids, isOpenGrid } from "./grids.js";
import { isOpen } from "./job_news.js";
import { cancelJob, jobs } from "./jobs.js";
import { KeyDialog } from "./key_dialog.js";
import { Dialogs } from "./modal.js";
import { useObservable } from "./observable.js";
import { DropTarget } from "./recall.js";
import { Results } from "./results.js";
import { said } from "./said.js";
import { forgetKey, hasKey, reachable } from "./service.js";
import { SettingsForm } from "./settings_form.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

const VIEWS = [
  ["", "Create"],
  ["#gallery", "Gallery"],
];

export function App() {
  const view = useHash();
  const underway = useObservable(jobs).filter(isOpen).length + useObservable(grids).filter(isOpenGrid).length;
  useEffect(() => {
    document.title = underway ? `(${underway}) Darkroom` : "Darkroom"; // for a tab that is not seen
  }, [underway]);
  useEffect(() => {
    document.addEventListener("keydown", cancelLatest);
    return () => document.removeEventListener("keydown", cancelLatest);
  }, []);
  return html`
    <a class="skip" href="#main" onClick=${skipToMain}>Skip to the content</a>
    <header>
      <h1>Darkroom</h1>
      <nav aria-label="Views">
        ${VIEWS.map(
          ([hash, name]) =>
            html`<a key=${hash} href=${hash || "#"} aria-current=${view === hash ? "page" : undefined}>${name}</a>`,
        )}
        <a href="docs">API</a>
      </nav>
      <${KeyState} />
    </header>
    <${Outage} />
    <main id="main" tabindex="-1" class=${view === "#gallery" ? "wide" : "split"}>
      ${view === "#gallery" ? html`<${Gallery} />` : html`
        <${SettingsForm} />
        <${Results} />
      `}
    </main>
    <${Said} />
    <${DropTarget} />
    <${Dialogs} />
    <${KeyDialog} />
  `;
}

function useHash() {
  const read = () => (VIEWS.some(([hash]) => hash === location.hash) ? location.hash : "");
  const [hash, setHash] = useState(read);
  useEffect(() => {
    const follow = () => setHash(read());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return hash;
}

/** @param {Event} event */
function skipToMain(event) {
  event.preventDefault(); // the hash is the view's
  document.getElementById("main")?.focus();
}

/**
 * Escape, once for each press, cancels what was submitted last and has not ended, where that is seen. Where a dialog is
 * open it closes that.
 *
 * @param {KeyboardEvent} event
 */
function cancelLatest(event) {
  if (event.key !== "Escape" || event.isComposing || event.repeat) return;
  if (document.querySelector("dialog[open]") || !document.querySelector(".results")) return;
  const job = jobs.value.find((each) => isOpen(each) && !each.isUnwanted);
  const grid = grids.value.find((each) => isOpenGrid(each) && !each.isUnwanted);
  if (job && job.submittedAt > (grid?.submittedAt ?? 0)) cancelJob(job);
  else if (grid) cancelGrid(grid);
}

function KeyState() {
  if (!useObservable(hasKey)) return null;
  return html`<button type="button" class="plain" onClick=${forgetKey}>Forget the key</button>`;
}

function Outage() {
  const words = "The service does not answer. Nothing is lost: this page goes on when it is back.";
  return html`<p class="outage" role="alert">${useObservable(reachable) ? "" : words}</p>`;
}

function Said() {
  return html`<p class="unseen" role="status" aria-live="polite">${useObservable(said)}</p>`;
}
