/** The steps of a picture that was watched, one beside the other, to be gone through. The service does not keep them. */

import { SignedImage } from "./signed_image.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

const FRAME_MILLISECONDS = 150;
const PLAY_MILLISECONDS = 3000;

/** @param {{ previews: import("./job_news.js").Preview[], job: any }} props */
export function FilmStrip({ previews, job }) {
  const frames = previews.map(({ step, total, image }) => ({
    name: `Step ${step} of ${total}`,
    step,
    picture: html`<img src=${image} alt="" />`,
  }));
  if (job.images[0]) {
    const picture = html`<${SignedImage} jobId=${job.id} image=${job.images[0]} alt="" />`;
    frames.push({ name: "The picture", step: -1, picture });
  }
  const last = frames.length - 1;
  const pause = Math.min(FRAME_MILLISECONDS, PLAY_MILLISECONDS / frames.length);
  const [at, goTo] = useState(last);
  const [isPlaying, setIsPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setTimeout(() => (at < last ? goTo(at + 1) : setIsPlaying(false)), pause);
    return () => clearTimeout(timer);
  }, [isPlaying, at]);
  const frame = frames[Math.min(at, last)];
  const play = () => {
    goTo(0);
    setIsPlaying(true);
  };
  const slid = (/** @type {any} */ event) => {
    setIsPlaying(false);
    goTo(Number(event.target.value));
  };
  return html`
    <details class="strip">
      <summary>Film strip, ${previews.length} steps</summary>
      <figure>
        ${frame.picture}
        <figcaption>${frame.name}</figcaption>
      </figure>
      <div class="row">
        <button type="button" onClick=${play}>Play</button>
        <input
          type="range"
          aria-label="Step shown"
          aria-valuetext=${frame.name}
          min="0"
          max=${last}
          value=${at}
          onInput=${slid}
        />
      </div>
      <ol class="frames">
        ${frames.map(
          ({ name, step, picture }, place) =>
            html`
              <li key=${step}>
                <button type="button" aria-label=${name} aria-pressed=${String(place === at)} onClick=${() =>
                  goTo(place)}>
                  ${picture}
                </button>
              </li>
            `,
        )}
      </ol>
    </details>
  `;
}
