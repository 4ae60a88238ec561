/** Where the page begins: what was there before it was loaded, what is on offer, and the first drawing. */

import { App } from "./app.js";
import { resumeGrids } from "./grids.js";
import { resumeJobs } from "./jobs.js";
import { keepOffers, offers } from "./offers.js";
import { beginSettings } from "./settings.js";
import { html, render } from "./vendor/htm-preact.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
const end = offers.subscribe(() => {
  end();
  beginSettings();
});
keepOffers();
resumeJobs();
resumeGrids();
