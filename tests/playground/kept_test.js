import assert from "node:assert/strict";
import { forget, keep, kept } from "../../service/playground/kept.js";

Deno.test("what the browser does not keep lasts as long as the page, and nothing is kept that was forgotten", () => {
  const { setItem } = Storage.prototype;
  keep("here", "first");
  Storage.prototype.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  keep("here", "second");
  assert.equal(kept("here", ""), "second");
  assert.equal(kept("elsewhere", "otherwise"), "otherwise");
  Storage.prototype.setItem = setItem;
  keep("here", "third");
  assert.equal(kept("here", ""), "third");
  forget();
  keep("here", "late");
  assert.equal(kept("here", "otherwise"), "otherwise");
});
