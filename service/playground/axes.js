/** The two axes of a grid: what to try, from what was typed. Knows nothing of how a grid looks. */

import { MAX_GUIDANCE, MAX_SEED, outOfRange, takesGuidance } from "./limits.js";

/**
 * @typedef {object} Axis
 * @property {string} parameter
 * @property {string} values separated by commas
 */

/** @typedef {{ x: Axis, y: Axis }} Axes */

const MAX_CELLS = 100;

/** What an axis can be of here, and how it is called. */
const PARAMETERS = {
  num_inference_steps: "Steps",
  guidance_scale: "Guidance",
  scheduler: "Scheduler",
  seed: "Seed",
};

const STEPS = [1, 5, 10, 20, 28, 50];
const GUIDANCES = [1, 2, 4, 7.5, 12, 20];
const SEEDS = 4;

/** @param {string} parameter */
export function calledBy(parameter) {
  return PARAMETERS[/** @type {keyof typeof PARAMETERS} */ (parameter)] ?? parameter;
}

/**
 * Values that show what the parameter does, the present one among them.
 *
 * @param {string} parameter
 * @param {import("./limits.js").Settings} settings
 * @param {import("./limits.js").Model} model
 * @returns {Axis}
 */
export function suggestedAxis(parameter, settings, model) {
  const limit = model.limits.num_inference_steps;
  const first = Math.min(Number(settings.seed) || 0, MAX_SEED - SEEDS + 1);
  /** @type {Record<string, (string | number)[]>} */
  const values = {
    num_inference_steps: withOwn(STEPS, Number(settings.num_inference_steps)).filter((steps) => steps <= limit),
    guidance_scale: withOwn(GUIDANCES, Number(settings.guidance_scale)),
    scheduler: model.schedulers.slice(0, 8),
    seed: Array.from({ length: SEEDS }, (_, index) => first + index),
  };
  return { parameter, values: values[parameter].join(", ") };
}

/**
 * @param {import("./limits.js").Model} model
 * @returns {[string, string][]} the name of a parameter, and what it is called
 */
export function axisParameters(model) {
  return Object.entries(PARAMETERS).filter(([name]) => name !== "guidance_scale" || takesGuidance(model));
}

/**
 * @param {Axes} axes
 * @param {import("./limits.js").Model} model
 * @returns {{ x?: string, y?: string }} what is wrong, by axis
 */
export function axesRefused(axes, model) {
  const x = axisRefused(axes.x, model);
  let y = axisRefused(axes.y, model);
  const cells = valuesOf(axes.x).length * valuesOf(axes.y).length;
  if (axes.x.parameter === axes.y.parameter) y = "must be another one than across";
  else if (!x && !y && cells > MAX_CELLS) y = `times across make ${cells} pictures, must be at most ${MAX_CELLS}`;
  return { ...(x && { x }), ...(y && { y }) };
}

/**
 * The body of `POST /grids`.
 *
 * @param {Record<string, any>} request of one picture
 * @param {Axes} axes in which nothing is wrong
 * @returns {{ parameters: Record<string, any>, x: any, y: any }}
 */
export function gridRequest(request, axes) {
  const { [axes.x.parameter]: _x, [axes.y.parameter]: _y, ...parameters } = request;
  return {
    parameters: { ...parameters, num_images_per_prompt: 1 },
    x: { parameter: axes.x.parameter, values: numbered(axes.x) },
    y: { parameter: axes.y.parameter, values: numbered(axes.y) },
  };
}

/**
 * @param {Axis} axis
 * @param {import("./limits.js").Model} model
 */
function axisRefused(axis, model) {
  const values = valuesOf(axis);
  if (!values.length) return "needs a value or more, separated by commas";
  const twice = values.find((value, index) => values.indexOf(value) !== index);
  if (twice !== undefined) return `has ${twice} twice`;
  for (const value of values) {
    const wrong = valueRefused(axis.parameter, value, model);
    if (wrong) return `${value} ${wrong}`;
  }
  return "";
}

/**
 * @param {string} parameter
 * @param {string} value
 * @param {import("./limits.js").Model} model
 */
function valueRefused(parameter, value, model) {
  if (parameter === "scheduler") return model.schedulers.includes(value) ? "" : `is not one that ${model.id} takes`;
  if (parameter === "seed") return outOfRange(value, 0, MAX_SEED);
  if (parameter === "guidance_scale") return outOfRange(value, 0, MAX_GUIDANCE, false);
  return outOfRange(value, 1, model.limits.num_inference_steps);
}

/** @param {Axis} axis */
function valuesOf({ values }) {
  return values.split(",").map((value) => value.trim()).filter(Boolean);
}

/** @param {Axis} axis */
function numbered(axis) {
  return valuesOf(axis).map((value) => (axis.parameter === "scheduler" ? value : Number(value)));
}

/**
 * @param {number[]} values
 * @param {number} own
 */
function withOwn(values, own) {
  const all = Number.isFinite(own) ? [...values.filter((value) => value !== own), own] : [...values];
  return all.sort((one, other) => one - other);
}
