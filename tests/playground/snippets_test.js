import assert from "node:assert/strict";
import { curl, javascript, python } from "../../service/playground/snippets.js";

const request = { prompt: `a fox's "den"\n$HOME \\ 'x'`, seed: 7, exclusive: true, labels: { a: "b" } };
const snippet = { base: "http://127.0.0.1:8000", request, hasKey: false };

Deno.test("a key is named where one is wanted, and never otherwise", () => {
  for (const write of [curl, python, javascript]) {
    assert.ok(write({ ...snippet, hasKey: true }).includes("DARKROOM_API_KEY"));
    assert.ok(!write(snippet).includes("DARKROOM_API_KEY"));
  }
});

Deno.test("the shell gets the body as it is", async () => {
  const script = curl(snippet).replace(/^curl /, "printf '%s\\n' ");
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  const said = new TextDecoder().decode(stdout);
  assert.deepEqual(JSON.parse(said.slice(said.indexOf("{"))), request);
});
