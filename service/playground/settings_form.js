/** The form: what is drawn, and how. It shows what is wrong before anybody is asked. */

import { GridForm } from "./grid_form.js";
import { Choice, described, Field, ShortNumber, SlidingNumber, Tick, Wrong } from "./fields.js";
import { drawnSeed, MAX_GUIDANCE, MAX_SEED, MIN_SIDE, refusals, takesGuidance, takesNegative } from "./limits.js";
import { useObservable } from "./observable.js";
import { modelOf, offers } from "./offers.js";
import { RecallButton } from "./recall.js";
import { edit, generate, isChecked, refused, settings } from "./settings.js";
import { sizePresets } from "./size_presets.js";
import { html } from "./vendor/htm-preact.js";
import { duration, size } from "./words.js";

const SLIDE_GUIDANCE = 20;
const FORMATS = ["png", "jpeg", "webp"];

export function SettingsForm() {
  const offered = useObservable(offers);
  const values = useObservable(settings);
  const refusedByService = useObservable(refused);
  const checked = useObservable(isChecked);
  if (!offered || !values) return html`<p class="empty">Asking the service what it offers…</p>`;
  const model = modelOf(values.model);
  /** @type {Record<string, string>} */
  const wrong = { ...refusals(values, model), ...refusedByService };
  if (!checked && !values.prompt) delete wrong.prompt; // nothing was done wrong yet
  return html`
    <form class="settings" aria-label="Picture" noValidate onSubmit=${submitted} onKeyDown=${submittedByKeys}>
      <${Words} values=${values} wrong=${wrong} model=${model} styles=${offered.styles} />
      <div class="actions">
        <button type="submit" class="first" aria-keyshortcuts="Control+Enter">Generate <kbd>Ctrl Enter</kbd></button>
        <${RecallButton} />
      </div>
      <p class="wrong" id="form" tabindex="-1" role="alert">${wrong.form}</p>
      <${ModelChoice} values=${values} wrong=${wrong} model=${model} models=${offered.models} />
      <${Size} values=${values} wrong=${wrong} model=${model} />
      <${Denoising} values=${values} wrong=${wrong} model=${model} schedulers=${offered.schedulers} />
      <${Seed} values=${values} wrong=${wrong} model=${model} />
      <${More} values=${values} wrong=${wrong} model=${model} />
      <${GridForm} values=${values} model=${model} />
    </form>
  `;
}

/** @param {Event} event */
function submitted(event) {
  event.preventDefault();
  generate();
}

/** @param {KeyboardEvent} event */
function submittedByKeys(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  event.preventDefault();
  if (!event.repeat) generate();
}

/**
 * @typedef {object} Part
 * @property {import("./limits.js").Settings} values
 * @property {Record<string, string>} wrong
 * @property {import("./limits.js").Model} model
 */

/** @param {Part & { styles: import("./offers.js").Offers["styles"] }} props */
function Words({ values, wrong, model, styles }) {
  const style = styles.find(({ name }) => name === values.style);
  const none = "Has no effect on this model: it is run without.";
  const own = style?.negative_prompt || model.defaults.negative_prompt;
  return html`
    <${Field} name="prompt" label="Prompt" error=${wrong.prompt}>
      <textarea
        ...${described("prompt", wrong.prompt)}
        rows="3"
        placeholder="a watercolor of a hippo on a blue background"
        value=${values.prompt}
        onInput=${(/** @type {any} */ event) => edit({ prompt: event.target.value })}
      />
      <//>
      <${Field}
        name="negative_prompt"
        label="Negative prompt"
        error=${wrong.negative_prompt}
        hint=${takesNegative(model) ? "" : none}
      >
        <textarea
          ...${described("negative_prompt", wrong.negative_prompt)}
          rows="1"
          placeholder=${own ? `if left empty: ${own}` : "what to keep away from"}
          disabled=${!takesNegative(model)}
          value=${values.negative_prompt}
          onInput=${(/** @type {any} */ event) => edit({ negative_prompt: event.target.value })}
        />
        <//>
        <${Choice}
          name="style"
          label="Style"
          value=${values.style}
          error=${wrong.style}
          hint=${style && html`Draws “${style.prompt.replace("{prompt}", () => values.prompt || "…")}”`}
          change=${(/** @type {string} */ value) => edit({ style: value })}
          options=${[{ value: "", text: "None" }, ...styles.map(({ name }) => ({ value: name, text: name }))]}
        />
  `;
}

/** @param {Part & { models: import("./limits.js").Model[] }} props */
function ModelChoice({ values, wrong, model, models }) {
  const facts = [
    model.rung && `memory rung ${model.rung}`,
    model.mean_seconds_per_image && `about ${duration(model.mean_seconds_per_image)} a picture`,
    model.licence && `licence ${model.licence}`,
  ];
  return html`
    <${Choice}
      name="model"
      label="Model"
      value=${values.model}
      error=${model.can_run === false ? `cannot run here: ${model.reason}` : wrong.model}
      hint=${facts.filter(Boolean).join(" · ")}
      change=${(/** @type {string} */ value) => edit({ model: value })}
      options=${models.map((each) => ({ value: each.id, text: `${each.id} — ${stateOf(each)}` }))}
    />
  `;
}

/** @param {import("./limits.js").Model} model */
function stateOf({ state, can_run: canRun, size_bytes: bytes }) {
  return [canRun === false ? "cannot run" : state, bytes && size(bytes)].filter(Boolean).join(", ");
}

/** @param {Part} props */
function Size({ values, wrong, model }) {
  const presets = sizePresets(model).map(({ name, width, height }) => ({
    value: `${width}x${height}`,
    text: `${width} × ${height}, ${name}`,
  }));
  const chosen = `${values.width}x${values.height}`;
  const custom = presets.some(({ value }) => value === chosen) ? [] : [{ value: chosen, text: "As entered" }];
  const side = (/** @type {"width" | "height"} */ name, /** @type {string} */ label) =>
    html`
      <${ShortNumber}
        name=${name}
        label=${label}
        value=${values[name]}
        error=${wrong[name]}
        step="8"
        min=${MIN_SIDE}
        max=${model.limits[name]}
        change=${(/** @type {string} */ value) => edit({ [name]: value })}
      />
    `;
  return html`
    <div class="fields">
      <${Choice}
        name="size"
        label="Size"
        value=${chosen}
        change=${(/** @type {string} */ value) => {
          const [width, height] = value.split("x");
          edit({ width, height });
        }}
        options=${[...custom, ...presets]}
      />
      ${side("width", "Width")} ${side("height", "Height")}
    </div>
    <${Wrong} name="width" label="Width" error=${wrong.width} />
    <${Wrong} name="height" label="Height" error=${wrong.height} />
  `;
}

/** @param {Part & { schedulers: import("./offers.js").Offers["schedulers"] }} props */
function Denoising({ values, wrong, model, schedulers }) {
  const scheduler = schedulers.find(({ name }) => name === values.scheduler);
  const number = (/** @type {keyof import("./limits.js").Settings} */ name) => ({
    name,
    value: values[name],
    error: wrong[name],
    change: (/** @type {string} */ value) => edit({ [name]: value }),
  });
  const guidance = html`
    <${SlidingNumber}
      ...${number("guidance_scale")}
      label="Guidance"
      hint="how closely to follow the prompt"
      step="0.5"
      min=${0}
      max=${MAX_GUIDANCE}
      slideMax=${SLIDE_GUIDANCE}
    />
  `;
  return html`
    <${SlidingNumber}
      ...${number("num_inference_steps")}
      label="Steps"
      hint="from noise to picture"
      min=${1}
      max=${model.limits.num_inference_steps}
    />
    ${takesGuidance(model) ? guidance : html`<p class="hint">This model is run without guidance.</p>`}
    <div class="fields">
      <${Choice}
        ...${number("scheduler")}
        label="Scheduler"
        hint=${scheduler && [scheduler.class_name, ...Object.keys(scheduler.options)].join(", ")}
        options=${model.schedulers.map((name) => ({ value: name, text: name }))}
      />
      <${ShortNumber} ...${number("num_images_per_prompt")} label="Pictures" min=${1} max=${model.limits
        .num_images_per_prompt} />
    </div>
    <${Wrong} name="num_images_per_prompt" label="Pictures" error=${wrong.num_images_per_prompt} />
  `;
}

/** @param {Part} props */
function Seed({ values, wrong }) {
  const hint = values.seed_locked ? "the same noise, so the same picture" : "a new one for each picture";
  return html`
    <${Field} name="seed" label="Seed" error=${wrong.seed} hint=${hint}>
      <div class="row">
        <input
          ...${described("seed", wrong.seed)}
          type="number"
          min="0"
          max=${MAX_SEED}
          value=${values.seed}
          onInput=${(/** @type {any} */ event) => edit({ seed: event.target.value, seed_locked: true })}
        />
        <button type="button" onClick=${() => edit({ seed: String(drawnSeed()), seed_locked: true })}>
          <span aria-hidden="true">⚄</span> New
        </button>
        <${Tick}
          name="seed_locked"
          label="Keep"
          checked=${values.seed_locked}
          change=${(/** @type {boolean} */ value) => edit({ seed_locked: value })}
        />
      </div>
      <//>
  `;
}

/** @param {Part} props */
function More({ values, wrong, model }) {
  const text = (/** @type {any} */ event) => edit({ labels: event.target.value });
  const layers = html`
    <${SlidingNumber}
      name="clip_skip"
      label="Layers of the text encoder left out"
      value=${values.clip_skip}
      error=${wrong.clip_skip}
      min=${0}
      max=${model.limits.clip_skip}
      change=${(/** @type {string} */ value) => edit({ clip_skip: value })}
    />
  `;
  return html`
    <details>
      <summary>More settings</summary>
      <${Field} name="labels" label="Labels" error=${wrong
        .labels} hint="to find the job by, as in course:noise, week:2">
        <input ...${described("labels", wrong.labels)} type="text" value=${values.labels} onInput=${text} />
      <//>
      <${Choice}
        name="output_format"
        label="File format"
        value=${values.output_format}
        change=${(/** @type {string} */ value) => edit({ output_format: value })}
        options=${FORMATS.map((format) => ({ value: format, text: format }))}
      />
      ${(model.limits.clip_skip > 0 || wrong.clip_skip) && layers}
      <${Tick}
        name="prompt_weighting"
        label="(words:1.3) in brackets weigh"
        checked=${values.prompt_weighting}
        disabled=${!model.prompt_weighting}
        change=${(/** @type {boolean} */ value) => edit({ prompt_weighting: value })}
      />
      <${Tick}
        name="exclusive"
        label="Drawn by itself: the same bytes, whatever else is in line"
        checked=${values.exclusive}
        change=${(/** @type {boolean} */ value) => edit({ exclusive: value })}
      />
    </details>
  `;
}
