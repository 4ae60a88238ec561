/**
 * A picture of a job. The service signs its address for a time only: one that does not load any more is asked for again.
 *
 * Knows nothing of where it stands.
 */

import { address, askJson } from "./service.js";
import { seconds } from "./submission.js";
import { html, useState } from "./vendor/htm-preact.js";

const MOST_TRIES = 5;

/**
 * @param {{ jobId: string, image: any, query?: string, alt: string, loading?: string }} props `image` as the API has it;
 *   `query` asks for a variant of it
 */
export function SignedImage({ jobId, image, query = "", ...attributes }) {
  const { signed_url: told } = image;
  const [last, setLast] = useState({ told, url: told, tries: 0 });
  const { url, tries } = last.told === told ? last : { url: told, tries: 0 };
  const failed = async () => {
    if (tries === MOST_TRIES) return;
    await seconds(tries); // at first at once
    setLast({ told, url: await newlySigned(jobId, image).catch(() => url), tries: tries + 1 });
  };
  return html`
    <img
      key=${tries}
      src=${address(url + query)}
      width=${image.width}
      height=${image.height}
      onError=${failed}
      ...${attributes}
    />
  `;
}

/**
 * The address of the picture, as it is signed now.
 *
 * @param {string} jobId
 * @param {any} image
 * @returns {Promise<string>}
 * @throws {import("./service.js").Problem | import("./service.js").Unreachable}
 */
export async function newlySigned(jobId, { index }) {
  const { images } = await askJson(`jobs/${jobId}`);
  return images.find((/** @type {any} */ each) => each.index === index).signed_url;
}
