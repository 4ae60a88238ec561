/** Models as the service describes them, for tests. */

/** @type {import("../../service/playground/limits.js").Model} */
export const POCKET = {
  id: "pocket",
  default: true,
  licence: "Apache-2.0",
  guidance: "classifier_free",
  prompt_weighting: true,
  defaults: {
    width: 128,
    height: 128,
    num_inference_steps: 20,
    guidance_scale: 4,
    scheduler: "DDIM",
    negative_prompt: "",
    clip_skip: 0,
  },
  limits: {
    width: 256,
    height: 256,
    pixels: 65536,
    num_inference_steps: 100,
    num_images_per_prompt: 8,
    clip_skip: 1,
  },
  schedulers: ["DDIM", "Euler", "UniPC"],
  state: "warm",
  rung: "cpu",
  size_bytes: 31268172,
  mean_seconds_per_image: 0.5,
  can_run: true,
  reason: null,
};

/** Run without guidance, larger, and faster. */
export const TURBO = {
  ...POCKET,
  id: "turbo",
  default: false,
  guidance: /** @type {const} */ ("none"),
  prompt_weighting: false,
  defaults: {
    ...POCKET.defaults,
    width: 512,
    height: 512,
    num_inference_steps: 1,
    guidance_scale: 0,
    scheduler: "LCM",
  },
  limits: {
    width: 1024,
    height: 768,
    pixels: 524288,
    num_inference_steps: 8,
    num_images_per_prompt: 2,
    clip_skip: 0,
  },
  schedulers: ["LCM"],
};
