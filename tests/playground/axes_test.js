import assert from "node:assert/strict";
import { axesRefused, axisParameters, gridRequest, suggestedAxis } from "../../service/playground/axes.js";
import { firstSettings, MAX_SEED, requestOf } from "../../service/playground/limits.js";
import { POCKET, TURBO } from "./models.js";

const fox = { ...firstSettings(POCKET), prompt: "a fox", seed: "7" };
const steps = { parameter: "num_inference_steps", values: "1, 5" };

/**
 * @param {string} parameter
 * @param {string} values
 */
const refused = (parameter, values) => axesRefused({ x: steps, y: { parameter, values } }, POCKET).y ?? "";

Deno.test("the suggestions are taken as they are, with the present value among them", () => {
  for (const model of [POCKET, TURBO]) {
    for (const [parameter] of axisParameters(model)) {
      const settings = { ...firstSettings(model), prompt: "a fox", seed: String(MAX_SEED) };
      const other = parameter === "seed" ? steps : { parameter: "seed", values: "1" };
      assert.deepEqual(axesRefused({ x: suggestedAxis(parameter, settings, model), y: other }, model), {}, parameter);
    }
  }
  assert.equal(
    suggestedAxis("guidance_scale", { ...fox, guidance_scale: "3" }, POCKET).values,
    "1, 2, 3, 4, 7.5, 12, 20",
  );
  assert.equal(suggestedAxis("num_inference_steps", fox, POCKET).values, "1, 5, 10, 20, 28, 50");
});

Deno.test("a model without guidance has no axis of it", () => {
  assert.deepEqual(axisParameters(TURBO).map(([name]) => name), ["num_inference_steps", "scheduler", "seed"]);
});

Deno.test("each refusal names the value and the limit", () => {
  assert.match(refused("guidance_scale", "1, 60"), /^60 must be 0 to 50/);
  assert.match(refused("seed", "-1"), /^-1 .*4294967295/);
  assert.match(refused("scheduler", "DDIM, LCM"), /^LCM .*pocket/);
  assert.match(refused("seed", "1, 2, 1"), /1 twice/);
  assert.match(refused("seed", " , "), /a value or more/);
  assert.match(refused("num_inference_steps", "1"), /another one/);
  const many = Array.from({ length: 51 }, (_, index) => index).join();
  assert.match(refused("seed", many), /102 pictures.*at most 100/);
});

Deno.test("a grid leaves out what is on its axes, and draws one picture a cell", () => {
  const request = requestOf({ ...fox, num_images_per_prompt: "4" }, POCKET);
  const { parameters, x, y } = gridRequest(request, { x: steps, y: { parameter: "scheduler", values: "DDIM, UniPC" } });
  assert.ok(!("num_inference_steps" in parameters) && !("scheduler" in parameters));
  assert.equal(parameters.num_images_per_prompt, 1);
  assert.equal(parameters.seed, 7);
  assert.deepEqual(x, { parameter: "num_inference_steps", values: [1, 5] });
  assert.deepEqual(y, { parameter: "scheduler", values: ["DDIM", "UniPC"] });
});
