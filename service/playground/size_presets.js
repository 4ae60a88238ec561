/** The sizes to choose from: of several outlines, all within what a model takes. */

import { MIN_SIDE } from "./limits.js";

const OUTLINES = [
  ["square", 1],
  ["landscape 4:3", 4 / 3],
  ["landscape 3:2", 3 / 2],
  ["landscape 16:9", 16 / 9],
  ["portrait 3:4", 3 / 4],
  ["portrait 2:3", 2 / 3],
  ["portrait 9:16", 9 / 16],
];

/**
 * Sizes with as many pixels as the model was made for, and the largest square that it takes.
 *
 * @param {import("./limits.js").Model} model
 * @returns {{ name: string, width: number, height: number }[]} none twice; sides are multiples of 8
 */
export function sizePresets({ defaults, limits }) {
  const pixels = Math.min(defaults.width * defaults.height, limits.pixels);
  const largest = Math.floor(Math.min(limits.width, limits.height, Math.sqrt(limits.pixels)) / 8) * 8;
  const presets = [
    { name: "the model's own", width: defaults.width, height: defaults.height },
    ...OUTLINES.map(([name, ratio]) => ({ name: String(name), ...outline(pixels, Number(ratio), limits) })),
    { name: "largest square", width: largest, height: largest },
  ];
  return presets.filter(
    (preset, index) =>
      preset.width * preset.height <= limits.pixels &&
      presets.findIndex((other) => other.width === preset.width && other.height === preset.height) === index,
  );
}

/**
 * @param {number} pixels
 * @param {number} ratio width to height
 * @param {{ width: number, height: number }} limits
 */
function outline(pixels, ratio, limits) {
  const side = (/** @type {number} */ ideal, /** @type {number} */ limit) =>
    Math.max(MIN_SIDE, Math.min(Math.floor(ideal / 8) * 8, Math.floor(limit / 8) * 8));
  return {
    width: side(Math.sqrt(pixels * ratio), limits.width),
    height: side(Math.sqrt(pixels / ratio), limits.height),
  };
}
