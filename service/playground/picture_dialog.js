/** One picture, large, with all that is known of it, and its neighbours of the same job. */

import { Download, JobActions, JobFacts } from "./job_details.js";
import { show } from "./modal.js";
import { reuseSeed } from "./settings.js";
import { SignedImage } from "./signed_image.js";
import { html, useLayoutEffect, useRef, useState } from "./vendor/htm-preact.js";

/**
 * @param {any} job with pictures
 * @param {number} [place] among them, from 0
 * @param {() => void} [deleted] is told
 */
export function showPicture(job, place = 0, deleted = () => {}) {
  show("Picture", Picture, { job, first: place, deleted });
}

/** @param {{ job: any, first: number, deleted: () => void, close: () => void }} props */
function Picture({ job, first, deleted, close }) {
  const [place, goTo] = useState(first);
  const figure = useRef(null);
  const { images } = job;
  const image = images[place];
  useLayoutEffect(() => {
    const turned = (/** @type {KeyboardEvent} */ event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
      const isOnTop = [...document.querySelectorAll("dialog[open]")].at(-1)?.contains(figure.current);
      if (by && isOnTop) goTo((at) => Math.min(Math.max(at + by, 0), images.length - 1));
    };
    addEventListener("keydown", turned);
    return () => removeEventListener("keydown", turned);
  }, []);
  const keepSeed = () => {
    close();
    location.hash = "";
    reuseSeed(image.seed);
  };
  const turn = html`
    <div class="actions">
      <button type="button" disabled=${place === 0} onClick=${() => goTo(place - 1)}>Previous</button>
      <span>${place + 1} of ${images.length}, seed ${image.seed}</span>
      <button type="button" disabled=${place === images.length - 1} onClick=${() => goTo(place + 1)}>Next</button>
      <${Download} job=${job} image=${image} />
      <button type="button" onClick=${keepSeed}>Reuse this seed</button>
    </div>
  `;
  return html`
    <figure ref=${figure} class="large">
      <${SignedImage} jobId=${job.id} image=${image} alt=${job.parameters.prompt} />
      <figcaption>${job.parameters.prompt}</figcaption>
    </figure>
    ${images.length > 1 && turn}
    <${JobFacts} job=${job} />
    <${JobActions} job=${job} close=${close} deleted=${deleted} />
  `;
}
