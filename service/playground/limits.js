/**
 * What a model takes: the form's first values, what is wrong with what was entered, and the request that it makes.
 *
 * Knows nothing of how a form looks.
 */

/**
 * @typedef {object} Model as `GET /models` has it
 * @property {string} id
 * @property {boolean} default
 * @property {string | null} licence
 * @property {"classifier_free" | "embedded" | "none"} guidance
 * @property {boolean} prompt_weighting
 * @property {{ width: number, height: number, num_inference_steps: number, guidance_scale: number, scheduler: string,
 *   negative_prompt: string, clip_skip: number }} defaults
 * @property {{ width: number, height: number, pixels: number, num_inference_steps: number,
 *   num_images_per_prompt: number, clip_skip: number }} limits
 * @property {string[]} schedulers
 * @property {string} state
 * @property {string | null} rung
 * @property {number | null} size_bytes
 * @property {number | null} mean_seconds_per_image
 * @property {boolean | null} can_run
 * @property {string | null} reason
 */

/**
 * What stands in the form: numbers as they were typed.
 *
 * @typedef {object} Settings
 * @property {string} prompt
 * @property {string} negative_prompt
 * @property {string} model
 * @property {string} style empty: none
 * @property {string} width
 * @property {string} height
 * @property {string} num_inference_steps
 * @property {string} guidance_scale
 * @property {string} scheduler
 * @property {string} num_images_per_prompt
 * @property {string} seed
 * @property {boolean} seed_locked whether the next picture gets this seed, and not a new one
 * @property {string} clip_skip
 * @property {boolean} prompt_weighting
 * @property {boolean} exclusive
 * @property {string} output_format
 * @property {string} labels `name:value, name:value`
 */

/** @typedef {Partial<Record<keyof Settings, string>>} Refusals what is wrong, by field */

export const MAX_SEED = 2 ** 32 - 1;
export const MIN_SIDE = 64;
export const MAX_GUIDANCE = 50;
const MOST_PICTURES = 16;
const MAX_TEXT = 4000;
const MAX_LABELS = 16;
const MAX_LABEL_VALUE = 256;
const LABEL_NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;

/**
 * Whether the model computes a step with and without the prompt: only then has a negative prompt an effect.
 *
 * @param {Model} model
 */
export const takesNegative = (model) => model.guidance === "classifier_free";

/** @param {Model} model */
export const takesGuidance = (model) => model.guidance !== "none";

/** A seed at random, which has room for those of further pictures after it. */
export function drawnSeed() {
  return Math.min(crypto.getRandomValues(new Uint32Array(1))[0], MAX_SEED - MOST_PICTURES);
}

/**
 * What stands in the form at first.
 *
 * @param {Model} model
 * @returns {Settings}
 */
export function firstSettings(model) {
  return {
    prompt: "",
    negative_prompt: "",
    style: "",
    num_images_per_prompt: "1",
    seed: String(drawnSeed()),
    seed_locked: false,
    prompt_weighting: false,
    exclusive: false,
    output_format: "png",
    labels: "",
    ...ofModel(model),
  };
}

/**
 * For another model: what was the former one's own becomes the new one's, and so does what the new one cannot take.
 *
 * @param {Settings} settings
 * @param {Model | undefined} former
 * @param {Model} model
 * @returns {Settings}
 */
export function settingsFor(settings, former, model) {
  /** @type {Partial<Record<string, string>>} */
  const formerOwn = former ? ofModel(former) : {};
  const wrong = refusals({ ...settings, model: model.id }, model);
  const own = Object.entries(ofModel(model)).filter(
    ([name]) => name in wrong || /** @type {any} */ (settings)[name] === formerOwn[name],
  );
  const images = Math.min(Number(settings.num_images_per_prompt) || 1, model.limits.num_images_per_prompt);
  const weighs = settings.prompt_weighting && model.prompt_weighting;
  return {
    ...settings,
    ...Object.fromEntries(own),
    model: model.id,
    num_images_per_prompt: String(images),
    prompt_weighting: weighs,
  };
}

/** @param {Model} model */
function ofModel({ id, defaults }) {
  return {
    model: id,
    width: String(defaults.width),
    height: String(defaults.height),
    num_inference_steps: String(defaults.num_inference_steps),
    guidance_scale: String(defaults.guidance_scale),
    scheduler: defaults.scheduler,
    clip_skip: String(defaults.clip_skip),
  };
}

/**
 * What is wrong, field by field, before anybody is asked.
 *
 * @param {Settings} settings
 * @param {Model} model
 * @returns {Refusals}
 */
export function refusals(settings, model) {
  const { limits } = model;
  const images = Number(settings.num_images_per_prompt);
  /** @type {Refusals} */
  const found = {
    prompt: settings.prompt.trim() ? tooLong(settings.prompt) : "says what to draw: it must not be blank",
    negative_prompt: takesNegative(model) ? tooLong(settings.negative_prompt) : "",
    width: sideRefused(settings.width, limits.width),
    height: sideRefused(settings.height, limits.height),
    num_inference_steps: outOfRange(settings.num_inference_steps, 1, limits.num_inference_steps),
    guidance_scale: takesGuidance(model) ? outOfRange(settings.guidance_scale, 0, MAX_GUIDANCE, false) : "",
    num_images_per_prompt: outOfRange(settings.num_images_per_prompt, 1, limits.num_images_per_prompt),
    seed: outOfRange(settings.seed, 0, MAX_SEED - (images > 0 ? images - 1 : 0)),
    clip_skip: outOfRange(settings.clip_skip, 0, limits.clip_skip),
    scheduler: model.schedulers.includes(settings.scheduler) ? "" : `must be one that ${model.id} takes`,
    labels: labelsRefused(settings.labels),
  };
  if (!found.width && !found.height && Number(settings.width) * Number(settings.height) > limits.pixels) {
    found.width = `times height must be at most ${limits.pixels.toLocaleString("en")} pixels`;
  }
  return /** @type {Refusals} */ (Object.fromEntries(Object.entries(found).filter(([, words]) => words)));
}

/**
 * The body of `POST /generate`, of settings in which nothing is wrong.
 *
 * @param {Settings} settings
 * @param {Model} model
 * @returns {Record<string, any>}
 */
export function requestOf(settings, model) {
  const labels = labelsOf(settings.labels);
  return {
    prompt: settings.prompt,
    ...(takesNegative(model) && settings.negative_prompt.trim() && { negative_prompt: settings.negative_prompt }),
    model: model.id,
    ...(settings.style && { style: settings.style }),
    width: Number(settings.width),
    height: Number(settings.height),
    num_inference_steps: Number(settings.num_inference_steps),
    ...(takesGuidance(model) && { guidance_scale: Number(settings.guidance_scale) }),
    scheduler: settings.scheduler,
    num_images_per_prompt: Number(settings.num_images_per_prompt),
    seed: Number(settings.seed),
    ...(settings.prompt_weighting && { prompt_weighting: true }),
    ...(Number(settings.clip_skip) !== model.defaults.clip_skip && { clip_skip: Number(settings.clip_skip) }),
    ...(settings.exclusive && { exclusive: true }),
    ...(settings.output_format !== "png" && { output_format: settings.output_format }),
    ...(Object.keys(labels).length && { labels }),
  };
}

/**
 * What a request, or a job's parameters, make of the form. What they leave open becomes the model's.
 *
 * @param {Record<string, any>} parameters
 * @param {Model} model
 * @returns {Settings}
 */
export function settingsOf(parameters, model) {
  const settings = { ...firstSettings(model), seed_locked: parameters.seed !== undefined };
  const texts = Object.entries(parameters)
    .filter(([name, value]) => name in settings && name !== "labels" && value !== null)
    .map(([name, value]) => [name, typeof value === "boolean" ? value : String(value)]);
  const labels = Object.entries(parameters.labels ?? {}).map(([name, value]) => `${name}:${value}`);
  return { ...settings, ...Object.fromEntries(texts), model: model.id, labels: labels.join(", ") };
}

/**
 * @param {string} text `name:value, name:value`
 * @returns {Record<string, string>}
 */
export function labelsOf(text) {
  return Object.fromEntries(pairsOf(text).map((pair) => pair.split(/:(.*)/s, 2).map((part) => part.trim())));
}

/** @param {string} text */
function pairsOf(text) {
  return text.split(",").filter((pair) => pair.trim());
}

/** @param {string} text */
function labelsRefused(text) {
  const pairs = pairsOf(text);
  if (pairs.length > MAX_LABELS) return `are ${pairs.length}, must be at most ${MAX_LABELS}`;
  if (pairs.some((pair) => !pair.includes(":"))) return "must each be a name and a value, as in course:noise";
  const labels = Object.entries(labelsOf(text));
  if (labels.some(([name]) => !LABEL_NAME.test(name))) {
    return "must have names of up to 63 letters, digits, and . _ / - that begin with a letter or digit";
  }
  const isLong = labels.some(([, value]) => [...value].length > MAX_LABEL_VALUE);
  return isLong ? `must have values of at most ${MAX_LABEL_VALUE} characters` : "";
}

/** @param {string} text */
function tooLong(text) {
  const { length } = [...text]; // in code points, as the service counts
  return length > MAX_TEXT ? `is ${length} characters long, must be at most ${MAX_TEXT}` : "";
}

/**
 * @param {string} text
 * @param {number} limit
 */
function sideRefused(text, limit) {
  const wrong = outOfRange(text, MIN_SIDE, limit);
  return wrong || Number(text) % 8 === 0 ? wrong : "must be a multiple of 8";
}

/**
 * @param {string} text
 * @param {number} least
 * @param {number} most
 * @param {boolean} [isWhole]
 */
export function outOfRange(text, least, most, isWhole = true) {
  const number = text.trim() === "" ? NaN : Number(text);
  const isIn = number >= least && number <= most && (!isWhole || Number.isInteger(number));
  return isIn ? "" : `must be ${isWhole ? "a whole number, " : ""}${least} to ${most}`;
}
