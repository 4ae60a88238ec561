/** Two jobs side by side: their first pictures, and in what they differ. */

import { SignedImage } from "./signed_image.js";
import { html } from "./vendor/htm-preact.js";
import { duration } from "./words.js";

/** @param {{ jobs: any[] }} props two of them */
export function Comparison({ jobs }) {
  const [one, other] = jobs.map(told);
  const different = Object.keys(one).filter((name) => one[name] !== other[name]);
  return html`
    <div class="comparison">
      ${jobs.map(
        (job) =>
          html`
            <figure key=${job.id}>
              <${SignedImage} jobId=${job.id} image=${job.images[0]} alt=${job.parameters.prompt} />
            </figure>
          `,
      )}
    </div>
    ${different.length === 0 && html`<p class="hint">Made alike in everything.</p>`}
    <table class="differences">
      <tbody>
        ${different.map(
          (name) =>
            html`
              <tr key=${name}>
                <th scope="row">${name}</th>
                <td>${one[name]}</td>
                <td>${other[name]}</td>
              </tr>
            `,
        )}
      </tbody>
    </table>
  `;
}

/**
 * @param {any} job
 * @returns {Record<string, string>}
 */
function told({ parameters, rung, batch_size, timings }) {
  const facts = { ...parameters, rung, batch_size, denoised: duration(timings.denoise_seconds ?? 0) };
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, String(value ?? "")]));
}
