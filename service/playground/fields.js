/** The parts that a form is made of: each with its label, and what is wrong with it. Knows nothing of what they mean. */

import { html } from "./vendor/htm-preact.js";

/**
 * @param {{ name: string, label: string, error?: string, hint?: any, isShort?: boolean, children?: any }} props
 *   `name` is the element's id
 */
export function Field({ name, label, error, hint, isShort, children }) {
  return html`
    <div class=${isShort ? "field is-short" : "field"}>
      <label for=${name}>${label}</label>
      ${children}
      ${hint && html`<p class="hint" id="${name}-hint">${hint}</p>`}
      ${!isShort && html`<${Wrong} name=${name} label=${label} error=${error} />`}
    </div>
  `;
}

/**
 * Of a short field it stands below its row, where there is room.
 *
 * @param {{ name: string, label: string, error?: string }} props
 */
export function Wrong({ name, label, error }) {
  return html`<p class="wrong" id="${name}-wrong">${error && `${label}: ${error}.`}</p>`;
}

/**
 * What a control says of itself to those who do not see it.
 *
 * @param {string} name
 * @param {string} [error]
 */
export function described(name, error) {
  return { id: name, "aria-invalid": error ? "true" : undefined, "aria-describedby": `${name}-hint ${name}-wrong` };
}

/**
 * @typedef {object} NumberProps
 * @property {string} name
 * @property {string} label
 * @property {string} value
 * @property {string} [error]
 * @property {any} [hint]
 * @property {string} [step]
 * @property {number} min
 * @property {number} max
 * @property {(value: string) => void} change
 */

/** @param {NumberProps} props */
export function ShortNumber({ name, label, error, hint, ...props }) {
  return html`
    <${Field} name=${name} label=${label} error=${error} hint=${hint} isShort>
      <${NumberInput} name=${name} error=${error} ...${props} />
      <//>
  `;
}

/** @param {NumberProps & { slideMax?: number }} props `slideMax`: how far one slides, where the number goes further */
export function SlidingNumber({ name, label, error, hint, slideMax, ...props }) {
  const { value, step = "1", min, max, change } = props;
  return html`
    <${Field} name=${name} label=${label} error=${error} hint=${hint}>
      <div class="row">
        <input
          type="range"
          aria-label="${label}, by sliding"
          step=${step}
          min=${min}
          max=${slideMax ?? max}
          value=${value}
          onInput=${(/** @type {any} */ event) => change(event.target.value)}
        />
        <${NumberInput} name=${name} error=${error} ...${props} />
      </div>
      <//>
  `;
}

/** @param {Omit<NumberProps, "label" | "hint">} props */
function NumberInput({ name, value, error, step = "1", min, max, change }) {
  return html`
    <input
      ...${described(name, error)}
      type="number"
      class="short"
      step=${step}
      min=${min}
      max=${max}
      value=${value}
      onInput=${(/** @type {any} */ event) => change(event.target.value)}
    />
  `;
}

/**
 * @param {{ name: string, label: string, value: string, error?: string, hint?: any, change: (value: string) => void,
 *   options: { value: string, text: string }[] }} props
 */
export function Choice({ name, label, value, error, hint, change, options }) {
  return html`
    <${Field} name=${name} label=${label} error=${error} hint=${hint}>
      <select
        ...${described(name, error)}
        value=${value}
        onChange=${(/** @type {any} */ event) => change(event.target.value)}
      >
        ${options.map(
          (option) => html`<option key=${option.value} value=${option.value}>${option.text}</option>`,
        )}
      </select>
      <//>
  `;
}

/**
 * @param {{ name: string, label: string, checked: boolean, change: (checked: boolean) => void, disabled?: boolean }} props
 */
export function Tick({ name, label, checked, change, disabled }) {
  const changed = (/** @type {any} */ event) => change(event.target.checked);
  return html`
    <label class="tick" for=${name}>
      <input id=${name} type="checkbox" checked=${checked} disabled=${disabled} onChange=${changed} />
      ${label}
    </label>
  `;
}
