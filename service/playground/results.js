/** What this tab asked for, newest first: pictures and grids. */

import { GridCard } from "./grid_card.js";
import { grids } from "./grids.js";
import { JobCard } from "./job_card.js";
import { jobs } from "./jobs.js";
import { useObservable } from "./observable.js";
import { edit, focusOn } from "./settings.js";
import { html } from "./vendor/htm-preact.js";

const IDEAS = ["a photo of a fox", "a watercolor of a hippo on a blue background", "an oil painting of a penguin"];

/** @type {WeakMap<object, any>} the card of each as it is: one that did not change is not drawn anew */
const drawn = new WeakMap();

export function Results() {
  const cards = [
    ...useObservable(jobs).map((each) => ({ each, Card: JobCard })),
    ...useObservable(grids).map((each) => ({ each, Card: GridCard })),
  ].sort((one, other) => other.each.submittedAt - one.each.submittedAt);
  return html`
    <section class="results" aria-label="Results">
      ${cards.map(({ each, Card }) => {
        if (!drawn.has(each)) drawn.set(each, html`<${Card} key=${each.name} each=${each} />`);
        return drawn.get(each);
      })}
      ${cards.length === 0 && html`<${Beginning} />`}
    </section>
  `;
}

function Beginning() {
  const idea = (/** @type {string} */ prompt) => () => {
    edit({ prompt });
    focusOn("prompt");
  };
  return html`
    <div class="empty">
      <p>Write what you would like to see, and watch it come out of the noise.</p>
      <div class="actions">
        ${IDEAS.map((prompt) => html`<button key=${prompt} type="button" onClick=${idea(prompt)}>${prompt}</button>`)}
      </div>
    </div>
  `;
}
