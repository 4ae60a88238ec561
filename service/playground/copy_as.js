/** A job's request as a program of somebody's own, to be copied. */

import { address, hasKey } from "./service.js";
import { curl, javascript, python } from "./snippets.js";
import { html, useRef, useState } from "./vendor/htm-preact.js";

const LANGUAGES = { curl, Python: python, JavaScript: javascript };

/** @param {{ job: any }} props */
export function CopyAs({ job }) {
  const [language, setLanguage] = useState("curl");
  const [isCopied, setIsCopied] = useState(false);
  const text = useRef(null);
  const write = LANGUAGES[/** @type {keyof typeof LANGUAGES} */ (language)];
  const code = write({ base: address("").replace(/\/$/, ""), request: requestOf(job), hasKey: hasKey.value });
  const copy = async () => {
    text.current.select();
    // A page that came over plain http from another machine has no clipboard but this one.
    setIsCopied(await (navigator.clipboard?.writeText(code).then(() => true, copied) ?? copied()));
  };
  const choose = (/** @type {string} */ name) => () => {
    setLanguage(name);
    setIsCopied(false);
  };
  return html`
    <p class="hint">Exactly these pictures once more.</p>
    <div class="actions" role="group" aria-label="Language">
      ${Object.keys(LANGUAGES).map(
        (name) =>
          html`<button key=${name} type="button" aria-pressed=${String(name === language)} onClick=${choose(name)}>
            ${name}
          </button>`,
      )}
    </div>
    <textarea ref=${text} class="code" readonly rows="14" aria-label="Code" value=${code}></textarea>
    <div class="actions">
      <button type="button" class="first" onClick=${copy}>Copy</button>
      <span role="status">${isCopied && "Copied."}</span>
    </div>
  `;
}

/** What is selected. */
function copied() {
  return document.execCommand("copy");
}

/**
 * Its effective parameters, without what every request has that says nothing of it.
 *
 * @param {any} job
 */
function requestOf({ parameters, labels, exclusive }) {
  const { prompt_weighting, num_images_per_prompt, output_format, embed_parameters, clip_skip, ...rest } = parameters;
  return {
    ...rest,
    ...(num_images_per_prompt > 1 && { num_images_per_prompt }),
    ...(prompt_weighting && { prompt_weighting }),
    ...(clip_skip > 0 && { clip_skip }),
    ...(embed_parameters || { embed_parameters }),
    ...(output_format !== "png" && { output_format }),
    ...(exclusive && { exclusive }),
    ...(Object.keys(labels).length && { labels }),
  };
}
