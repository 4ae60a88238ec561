import assert from "node:assert/strict";
import { duration, ordinal, plural, size, timingWords } from "../../service/playground/words.js";

Deno.test("places in line", () => {
  const places = [1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 113].map(ordinal).join(" ");
  assert.equal(places, "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th 113th");
});

Deno.test("durations", () => {
  const words = [0.123, 4.56, 59.4, 59.96, 61, 3600 * 2 + 125].map(duration).join(", ");
  assert.equal(words, "0.12 s, 4.6 s, 59 s, 1 min 0 s, 1 min 1 s, 2 h 2 min");
});

Deno.test("sizes and counts", () => {
  assert.equal([5, 900_000, 31_268_172, 6.5e9].map(size).join(", "), "1 kB, 900 kB, 31 MB, 6.5 GB");
  assert.equal([1, 2].map((count) => plural(count, "picture")).join(", "), "1 picture, 2 pictures");
});

Deno.test("timings leave out what took none", () => {
  const timings = { queued_seconds: 0.0018, load_seconds: null, denoise_seconds: 0.6985, decode_seconds: 0.0535 };
  assert.equal(timingWords(timings), "denoised 0.70 s · decoded 0.05 s");
});
