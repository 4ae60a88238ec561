import assert from "node:assert/strict";
import { eventsOf } from "../../service/playground/event_stream.js";

const TEXT = 'retry: 1000\n\nevent: queued\ndata: {"status": "queued"}\nid: 1\n\n: ping\n\n' +
  'event: failed\ndata: {"error": "a: b é"}\nid: 2\n\nevent: preview\ndata: {"step": 1}\n\n';
const EVENTS = [
  { event: "queued", id: "1", data: { status: "queued" } },
  { event: "failed", id: "2", data: { error: "a: b é" } },
  { event: "preview", id: "", data: { step: 1 } },
];

Deno.test("events are the same however the bytes are cut", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  for (const length of [1, 2, 3, 7, bytes.length]) {
    const body = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += length) controller.enqueue(bytes.slice(at, at + length));
        controller.close();
      },
    });
    const found = [];
    for await (const event of eventsOf(body)) found.push(event);
    assert.deepEqual(found, EVENTS, `in pieces of ${length}`);
  }
});

Deno.test("a body that breaks says so", async () => {
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(TEXT.slice(0, 80))),
    pull: (controller) => controller.error(new Error("broken")),
  });
  const found = [];
  await assert.rejects(async () => {
    for await (const event of eventsOf(body)) found.push(event);
  }, /broken/);
  assert.equal(found.length, 1);
});
