/** A grid with one click, and its axes for those who want others. */

import { axesRefused, axisParameters, calledBy, suggestedAxis } from "./axes.js";
import { Choice, described, Field } from "./fields.js";
import { takesGuidance } from "./limits.js";
import { makeGrid } from "./settings.js";
import { html, useState } from "./vendor/htm-preact.js";

/** @param {{ values: import("./limits.js").Settings, model: import("./limits.js").Model }} props */
export function GridForm({ values, model }) {
  const suggested = (/** @type {string} */ parameter) => suggestedAxis(parameter, values, model);
  const [chosen, choose] = useState(/** @type {import("./axes.js").Axes | null} */ (null));
  const axes = chosen ?? { x: suggested("num_inference_steps"), y: suggested("scheduler") };
  const wrong = /** @type {Record<string, string>} */ (axesRefused(axes, model));
  const pair = (/** @type {string} */ x, /** @type {string} */ y) =>
    html`
      <button type="button" onClick=${() => makeGrid({ x: suggested(x), y: suggested(y) })}>
        ${calledBy(x)} × ${calledBy(y).toLowerCase()}
      </button>
    `;
  const axis = (/** @type {"x" | "y"} */ name, /** @type {string} */ label) =>
    html`
      <div class="fields">
        <${Choice}
          name="axis-${name}"
          label=${label}
          value=${axes[name].parameter}
          change=${(/** @type {string} */ parameter) => choose({ ...axes, [name]: suggested(parameter) })}
          options=${axisParameters(model).map(([value, text]) => ({ value, text }))}
        />
        <${Field} name="values-${name}" label="Values" error=${wrong[name]} hint="separated by commas">
          <input
            ...${described(`values-${name}`, wrong[name])}
            type="text"
            value=${axes[name].values}
            onKeyDown=${enteredByKey}
            onInput=${(/** @type {any} */ event) =>
              choose({ ...axes, [name]: { ...axes[name], values: event.target.value } })}
          />
          <//>
          </div>
    `;
  /** @param {KeyboardEvent} event */
  const enteredByKey = (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
    event.preventDefault(); // which would make one picture
    if (!event.repeat) entered();
  };
  const entered = () =>
    Object.keys(wrong).length ? document.getElementById(`values-${Object.keys(wrong)[0]}`)?.focus() : makeGrid(axes);
  return html`
    <fieldset class="grid-form">
      <legend>Grid at one seed</legend>
      <p class="hint">What each setting does, on one sheet: all else stays as it is above.</p>
      <div class="actions">
        ${takesGuidance(model) && pair("num_inference_steps", "guidance_scale")} ${pair("scheduler", "seed")}
      </div>
      <details>
        <summary>Other axes</summary>
        ${axis("x", "Across")} ${axis("y", "Down")}
        <button type="button" onClick=${entered}>Make this grid</button>
      </details>
    </fieldset>
  `;
}
