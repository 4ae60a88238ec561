import assert from "node:assert/strict";
import { afterAnswer, afterEvent, isOpen } from "../../service/playground/job_news.js";

/**
 * @param {any} job
 * @param {any} [more]
 * @returns {import("../../service/playground/job_news.js").Followed}
 */
const followed = (job, more) => ({
  name: "n",
  request: {},
  id: "1",
  job,
  previews: [],
  isUnwanted: false,
  trouble: "",
  isRefused: false,
  submittedAt: 0,
  ...more,
});
const queued = { status: "queued", attempts: 0, progress: null, queue_position: 2, completed_at: null };
const running = { ...queued, status: "running", attempts: 1, progress: { step: 5, total: 20 }, queue_position: null };
const ended = {
  ...running,
  status: "succeeded",
  progress: { step: 20, total: 20 },
  completed_at: "2026-01-01T00:00:00Z",
};

/**
 * @param {string} event
 * @param {any} data
 */
const event = (event, data) => ({ event, id: "1", data });
/** @param {number} step */
const preview = (step) => ({ step, total: 200, image: `data:${step}` });

Deno.test("an answer that is older than what is known changes nothing", () => {
  assert.deepEqual(afterAnswer(followed(ended), running), {});
  const before = { ...running, progress: { step: 3, total: 20 } };
  assert.equal(afterAnswer(followed(running), before).job.progress.step, 5);
  assert.equal(afterAnswer(followed(before), running).job.progress.step, 5);
  assert.equal(afterAnswer(followed(running), ended).job, ended);
});

Deno.test("another attempt begins anew", () => {
  const again = { ...queued, attempts: 2, progress: { step: 1, total: 20 }, status: "running" };
  const changes = afterAnswer(followed(running, { previews: [preview(4)] }), again);
  assert.equal(changes.job.progress.step, 1);
  assert.deepEqual(changes.previews, []);
  const told = afterEvent(followed(running, { previews: [preview(4)] }), event("running", { attempts: 2 }), 2);
  assert.equal(told.job.progress, null);
  assert.deepEqual(told.previews, []);
});

Deno.test("the first attempt keeps what was seen of it", () => {
  const changes = afterAnswer(followed(queued, { previews: [preview(1)] }), running);
  assert.equal(changes.previews?.length, 1);
});

Deno.test("a stream that begins with a former attempt is not believed", () => {
  const second = { ...running, attempts: 2 };
  assert.deepEqual(afterEvent(followed(second), event("running", { attempts: 1 }), 1), {});
  assert.deepEqual(afterEvent(followed(second), event("progress", { step: 9, total: 20 }), 1), {});
  assert.equal(afterEvent(followed(second), event("progress", { step: 9, total: 20 }), 2).job.progress.step, 9);
});

Deno.test("progress never goes back, and nothing follows an end", () => {
  assert.deepEqual(afterEvent(followed(running), event("progress", { step: 2, total: 20 }), 1), {});
  assert.deepEqual(afterEvent(followed(ended), event("progress", { step: 21, total: 22 }), 1), {});
  assert.deepEqual(afterEvent(followed(ended), event("preview", preview(3)), 1), {});
});

Deno.test("previews are in the order of their steps, each once, and not more than a strip has room for", () => {
  let each = followed(running);
  for (const step of [3, 1, 2, 2]) each = { ...each, ...afterEvent(each, event("preview", preview(step)), 1) };
  assert.deepEqual(each.previews.map(({ step }) => step), [1, 2, 3]);
  for (let step = 4; step <= 200; step++) each = { ...each, ...afterEvent(each, event("preview", preview(step)), 1) };
  assert.ok(each.previews.length > 30 && each.previews.length <= 60);
  assert.equal(each.previews[0].step, 1);
  assert.equal(each.previews.at(-1)?.step, 200);
});

Deno.test("a job is open until it has ended or was refused", () => {
  assert.ok(isOpen(followed(null)) && isOpen(followed(queued)) && isOpen(followed(running)));
  assert.ok(!isOpen(followed(ended)) && !isOpen(followed(null, { isRefused: true })));
});
