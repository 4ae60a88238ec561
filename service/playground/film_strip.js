/** The steps of a picture that was watched, one beside the other, to be gone through. The service does not keep them. */

import { address } from "./service.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";

const FRAME_MILLISECONDS = 150;
const PLAY_MILLISECONDS = 3000;

/** @param {{ previews: import("./job_news.js").Preview[], job: any }} props */
export function FilmStrip({ previews, job }) {
  const frames = previews.map(({ step, total, image }) => ({ name: `Step ${step} of ${total}`, step, src: image }));
  if (job.images[0]) frames.push({ name: "The picture", step: -1, src: address(job.images[0].signed_url) });
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
        <img src=${frame.src} alt="" />
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
          ({ name, step, src }, place) =>
            html`
              <li key=${step}>
                <button type="button" aria-label=${name} aria-pressed=${String(place === at)} onClick=${() =>
                  goTo(place)}>
                  <img src=${src} alt="" />
                </button>
              </li>
            `,
        )}
      </ol>
    </details>
  `;
}
