/** What stands in the form, and what is done to it from anywhere on the page. Knows nothing of how it looks. */

import { gridRequest } from "./axes.js";
import { submitGrid } from "./grids.js";
import { submitJob } from "./jobs.js";
import { keep, kept } from "./kept.js";
import { drawnSeed, firstSettings, MAX_SEED, refusals, requestOf, settingsFor, settingsOf } from "./limits.js";
import { observable } from "./observable.js";
import { modelOf } from "./offers.js";
import { say } from "./said.js";

const KEPT = "darkroom-settings";

/** Null until a model is known. */
export const settings = observable(/** @type {import("./limits.js").Settings | null} */ (null));

/** What the service refused, by field; `form` is what belongs to none. */
export const refused = observable(/** @type {Record<string, string>} */ ({}));

/** Whether what is wrong is shown for every field: from the first attempt to post on. */
export const isChecked = observable(false);

/** As they were before the page was loaded again, where the model still takes them. */
export function beginSettings() {
  const model = modelOf(kept(KEPT, { model: undefined }).model);
  if (model) settings.set({ ...firstSettings(model), ...kept(KEPT, {}), model: model.id });
}

/** @param {Partial<import("./limits.js").Settings>} changes */
export function edit(changes) {
  const before = current();
  const next = { ...before, ...changes };
  const other = changes.model !== undefined && changes.model !== before.model;
  settings.set(other ? settingsFor(next, modelOf(before.model), modelOf(changes.model)) : next);
  keep(KEPT, settings.value);
  const left = Object.entries(refused.value).filter(([field]) => !(field in changes) && field !== "form");
  refused.set(Object.fromEntries(left));
}

/**
 * The job's pictures once more: what was asked, before its style was put around it.
 *
 * @param {any} job
 */
export function reuse(job) {
  const { prompt, negative_prompt, name } = job.style ?? {};
  const before = job.style ? { prompt, negative_prompt: negative_prompt ?? "", style: name } : {};
  recall({ ...job.parameters, ...before, labels: job.labels, exclusive: job.exclusive });
}

/**
 * What `POST /inspect` found, or a job's parameters, into the form.
 *
 * @param {Record<string, any>} parameters
 */
export function recall(parameters) {
  const model = modelOf(parameters.model ?? settings.value?.model);
  if (!model) return; // what is offered is not known yet
  refused.set({});
  edit(settingsOf(parameters, model));
  focusOn("prompt");
}

/** @param {number} seed */
export function reuseSeed(seed) {
  edit({ seed: String(seed), seed_locked: true });
  say(`Seed ${seed} is kept for the next picture.`);
}

/**
 * The same request with the next seed, at once.
 *
 * @param {any} job
 */
export function vary(job) {
  reuse(job);
  edit({ seed: String((job.parameters.seed + 1) % (MAX_SEED + 1)) });
  generate();
}

/** Puts a job in line, or shows what is wrong. */
export function generate() {
  return post((request) => submitJob(request));
}

/** @param {import("./axes.js").Axes} axes in which nothing is wrong */
export function makeGrid(axes) {
  return post((request) => submitGrid(gridRequest(request, axes)));
}

/** @param {(request: Record<string, any>) => Promise<import("./service.js").Problem | null>} submit */
async function post(submit) {
  const model = modelOf(settings.value?.model);
  if (!model) return; // what is offered is not known yet
  if (!current().seed_locked) edit({ seed: String(drawnSeed()) });
  isChecked.set(true);
  const wrong = Object.keys(refusals(current(), model));
  if (wrong.length) {
    focusOn(wrong[0]);
    return;
  }
  isChecked.set(false);
  const answer = submit(requestOf(current(), model));
  showLatest();
  const problem = await answer;
  if (problem) {
    refused.set(byField(problem));
    say(problem.message);
    focusOn(Object.keys(refused.value)[0]);
  }
}

/** Where the form fills the window, what comes of it is below. */
function showLatest() {
  requestAnimationFrame(() => {
    const card = document.querySelector(".results .card");
    const { top = 0 } = card?.getBoundingClientRect() ?? {};
    if (top < 0 || top > innerHeight / 2) card?.scrollIntoView();
  });
}

/** @param {import("./service.js").Problem} problem */
function byField(problem) {
  const fields = problem.errors.map(({ pointer, detail }) => [fieldOf(pointer), detail]);
  const known = fields.filter(([field]) => field in current());
  const others = fields.length === known.length && fields.length ? [] : [["form", problem.message]];
  return Object.fromEntries([...known, ...others]);
}

/** @param {string} pointer into a job's request or a grid's */
function fieldOf(pointer) {
  return pointer.replace(/^\/parameters/, "").split("/")[1] ?? "form";
}

/** @param {string} field its element's id */
export function focusOn(field) {
  // Once it is drawn: its group may still be folded, or its view not be there.
  requestAnimationFrame(() => {
    const element = document.getElementById(field);
    const group = element?.closest("details");
    if (group) group.open = true;
    element?.focus();
  });
}

function current() {
  return /** @type {import("./limits.js").Settings} */ (settings.value);
}
