import assert from "node:assert/strict";
import {
  firstSettings,
  labelsOf,
  MAX_SEED,
  refusals,
  requestOf,
  settingsFor,
  settingsOf,
} from "../../service/playground/limits.js";
import { sizePresets } from "../../service/playground/size_presets.js";
import { POCKET, TURBO } from "./models.js";

const fox = { ...firstSettings(POCKET), prompt: "a fox", seed: "7" };

/** @param {Partial<import("../../service/playground/limits.js").Settings>} changes */
const wrong = (changes, model = POCKET) => refusals({ ...fox, ...changes }, model);

Deno.test("the first settings are the model's own, and only the prompt is missing", () => {
  const settings = firstSettings(POCKET);
  assert.equal(settings.num_inference_steps, "20");
  assert.equal(settings.scheduler, "DDIM");
  assert.ok(Number(settings.seed) >= 0 && Number(settings.seed) <= MAX_SEED);
  assert.deepEqual(Object.keys(refusals(settings, POCKET)), ["prompt"]);
  assert.deepEqual(wrong({}), {});
});

Deno.test("each refusal names the limit", () => {
  const cases = /** @type {[Partial<typeof fox>, string, RegExp][]} */ ([
    [{ prompt: " \n" }, "prompt", /must not be blank/],
    [{ prompt: "x".repeat(4001) }, "prompt", /4001 characters.*at most 4000/],
    [{ negative_prompt: "x".repeat(4001) }, "negative_prompt", /at most 4000/],
    [{ width: "100" }, "width", /multiple of 8/],
    [{ height: "264" }, "height", /64 to 256/],
    [{ width: "" }, "width", /64 to 256/],
    [{ num_inference_steps: "101" }, "num_inference_steps", /1 to 100/],
    [{ num_inference_steps: "1.5" }, "num_inference_steps", /whole number/],
    [{ guidance_scale: "50.5" }, "guidance_scale", /0 to 50/],
    [{ guidance_scale: "-1" }, "guidance_scale", /0 to 50/],
    [{ num_images_per_prompt: "9" }, "num_images_per_prompt", /1 to 8/],
    [{ seed: String(MAX_SEED + 1) }, "seed", /4294967295/],
    [{ seed: String(MAX_SEED), num_images_per_prompt: "2" }, "seed", /4294967294/],
    [{ clip_skip: "2" }, "clip_skip", /0 to 1/],
    [{ scheduler: "LCM" }, "scheduler", /pocket takes/],
    [{ labels: "course" }, "labels", /name and a value/],
    [{ labels: "a b:c" }, "labels", /names/],
    [{ labels: `a:${"x".repeat(257)}` }, "labels", /at most 256/],
    [{ labels: Array.from({ length: 17 }, (_, index) => `l${index}:x`).join(",") }, "labels", /at most 16/],
  ]);
  for (const [changes, field, words] of cases) {
    const found = wrong(changes);
    assert.deepEqual(Object.keys(found), [field], JSON.stringify(changes));
    assert.match(/** @type {any} */ (found)[field], words);
  }
});

Deno.test("characters are counted as the service counts them", () => {
  assert.deepEqual(wrong({ prompt: "🦊".repeat(4000) }), {});
});

Deno.test("pixels have a limit of their own", () => {
  const settings = { ...firstSettings(TURBO), prompt: "a fox", width: "1024", height: "768" };
  assert.match(String(refusals(settings, TURBO).width), /524,288 pixels/);
});

Deno.test("a model without guidance is asked for none, and its fields refuse nothing", () => {
  const settings = { ...firstSettings(TURBO), prompt: "a fox", negative_prompt: "x".repeat(5000), guidance_scale: "" };
  assert.deepEqual(refusals(settings, TURBO), {});
  const request = requestOf(settings, TURBO);
  assert.ok(!("guidance_scale" in request) && !("negative_prompt" in request));
});

Deno.test("a request holds numbers, and leaves out what says nothing", () => {
  assert.deepEqual(requestOf({ ...fox, labels: "course: noise" }, POCKET), {
    prompt: "a fox",
    model: "pocket",
    width: 128,
    height: 128,
    num_inference_steps: 20,
    guidance_scale: 4,
    scheduler: "DDIM",
    num_images_per_prompt: 1,
    seed: 7,
    labels: { course: "noise" },
  });
});

Deno.test("what is posted comes back into the form as it was", () => {
  const settings = {
    ...fox,
    negative_prompt: "blue",
    style: "watercolor",
    guidance_scale: "7.5",
    seed_locked: true,
    clip_skip: "1",
    prompt_weighting: true,
    exclusive: true,
    output_format: "webp",
    labels: "course:noise, week:2",
  };
  assert.deepEqual(settingsOf(requestOf(settings, POCKET), POCKET), settings);
});

Deno.test("what a request leaves open is the model's", () => {
  const settings = settingsOf({ prompt: "a fox", negative_prompt: null }, POCKET);
  assert.equal(settings.guidance_scale, "4");
  assert.equal(settings.negative_prompt, "");
  assert.equal(settings.seed_locked, false);
});

Deno.test("another model keeps what was chosen where it can", () => {
  const chosen = { ...fox, num_inference_steps: "6", num_images_per_prompt: "8", prompt_weighting: true };
  const other = settingsFor(chosen, POCKET, TURBO);
  assert.equal(other.model, "turbo");
  assert.equal(other.num_inference_steps, "6"); // chosen, and within its limits
  assert.equal(other.width, "512"); // was the former's own
  assert.equal(other.scheduler, "LCM");
  assert.equal(other.num_images_per_prompt, "2");
  assert.equal(other.prompt_weighting, false);
  assert.equal(other.prompt, "a fox");
  assert.equal(settingsFor({ ...fox, num_inference_steps: "99" }, POCKET, TURBO).num_inference_steps, "1");
});

Deno.test("presets are within the limits, multiples of 8, and none is there twice", () => {
  for (const model of [POCKET, TURBO]) {
    const presets = sizePresets(model);
    assert.deepEqual([presets[0].width, presets[0].height], [model.defaults.width, model.defaults.height]);
    assert.equal(new Set(presets.map(({ width, height }) => `${width}x${height}`)).size, presets.length);
    for (const { width, height } of presets) {
      const sized = { ...firstSettings(model), prompt: "a fox", width: String(width), height: String(height) };
      assert.deepEqual(refusals(sized, model), {}, `${width}x${height}`);
    }
  }
  assert.ok(sizePresets(POCKET).some(({ width, height }) => width === 256 && height === 256));
});

Deno.test("the value of a label may hold a colon", () => {
  assert.deepEqual(labelsOf("at:10:30, , b:"), { at: "10:30", b: "" });
});
