/** What can be told of a job that has ended, and what can be done with it: the same wherever it is shown. */

import { CopyAs } from "./copy_as.js";
import { deleteJob } from "./jobs.js";
import { Confirmation, Message, show } from "./modal.js";
import { say } from "./said.js";
import { reuse, reuseSeed, vary } from "./settings.js";
import { SignedDownload } from "./signed_download.js";
import { newlySigned } from "./signed_image.js";
import { html } from "./vendor/htm-preact.js";
import { plural, timingWords } from "./words.js";

/** @param {{ job: any }} props */
export function JobFacts({ job }) {
  const { parameters } = job;
  const seeds = parameters.num_images_per_prompt > 1 ? `seeds from ${parameters.seed}` : `seed ${parameters.seed}`;
  const facts = [
    parameters.model,
    `${parameters.width} × ${parameters.height}`,
    plural(parameters.num_inference_steps, "step"),
    `guidance ${parameters.guidance_scale}`,
    parameters.scheduler,
    seeds,
    job.rung && `memory rung ${job.rung}`,
    job.attempts > 1 && plural(job.attempts, "attempt"),
  ];
  return html`
    <p class="facts">${facts.filter(Boolean).join(" · ")}</p>
    <p class="facts">${timingWords(job.timings)}</p>
    ${job.warnings.map(
      (/** @type {any} */ { code, detail }) => html`<p key=${code + detail} class="warning">${detail}</p>`,
    )}
  `;
}

/**
 * @param {{ job: any, children?: any, close?: () => void, deleted?: () => void }} props `close`: the dialog that it is in
 */
export function JobActions({ job, children, close = () => {}, deleted = () => {} }) {
  const image = job.images[0];
  const then = (/** @type {() => void} */ action) => () => {
    close();
    location.hash = ""; // where the form is
    action();
  };
  const removed = () => {
    close();
    deleted();
  };
  return html`
    <div class="actions">
      ${job.images.length === 1 && html`<${Download} job=${job} image=${image} />`}
      <button type="button" onClick=${then(() => reuseSeed(job.parameters.seed))}>Reuse seed</button>
      <button type="button" onClick=${then(() => reuse(job))}>Reuse all</button>
      <button type="button" title="the same with the next seed" onClick=${then(() => vary(job))}>Vary</button>
      <button type="button" onClick=${() => show("Copy this request", CopyAs, { job })}>Copy as…</button>
      <button type="button" class="plain" onClick=${() => askToDelete(job, removed)}>Delete</button>
      ${children}
    </div>
  `;
}

/** @param {{ job: any, image: any }} props */
export function Download({ job, image }) {
  const words = job.parameters.prompt.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const extension = image.url.split(".").pop();
  const name = `${[...words.slice(0, 8), image.seed].join("-").slice(0, 80)}.${extension}`;
  const renewed = () => newlySigned(job.id, image);
  return html`<${SignedDownload} url=${image.signed_url} name=${name} renewed=${renewed}>Download<//>`;
}

/**
 * @param {any} job
 * @param {() => void} deleted
 */
function askToDelete(job, deleted) {
  const pictures = job.images.length ? ` and its ${plural(job.images.length, "picture")}` : "";
  show(`Delete this job${pictures}, for ever?`, Confirmation, { verb: "Delete", done: () => remove(job, deleted) });
}

/**
 * @param {any} job
 * @param {() => void} deleted
 */
async function remove(job, deleted) {
  try {
    await deleteJob(job.id);
    deleted();
    say("Deleted.");
  } catch (error) {
    show("It could not be deleted", Message, { error });
  }
}
