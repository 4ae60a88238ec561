// replicate for JavaScript: run, wait, progress, cancel, lists, streams, errors, webhooks.
// Arguments: the service's URL, a key, a folder.

import { createServer } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import Replicate, { parseProgressFromLogs, validateWebhook } from "replicate";

const [url, key, folder] = process.argv.slice(2);
const replicate = new Replicate({ auth: key, baseUrl: `${url}/v1` });
const fox = { prompt: "a photo of a fox on a blue background", num_inference_steps: 4, seed: 7 };
const slow = { ...fox, num_inference_steps: 100, width: 256, height: 256 };
const model = "darkroom/pocket";
const told = {};

const received = [];
const receiver = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    received.push({ headers: request.headers, body });
    response.writeHead(204).end();
  });
});
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve));

// run
const outputs = await replicate.run(model, { input: { ...fox, num_outputs: 2 } });
told.files = [];
for (const [index, output] of outputs.entries()) {
  const blob = await output.blob();
  await writeFile(join(folder, `${index}.png`), Buffer.from(await blob.arrayBuffer()));
  told.files.push([blob.type, blob.size]);
}
told.of_version = (await replicate.run(`${model}:pocket`, { input: fox })).length;

// progress, by polling after a wait that has run out, and without a wait
const seen = [];
await replicate.run(model, { input: slow, wait: { mode: "block", timeout: 1 } }, (prediction) => {
  seen.push([prediction.status, parseProgressFromLogs(prediction)?.percentage ?? null]);
});
told.first_seen = seen[0][0];
told.last_seen = seen.at(-1);
told.polled = (await replicate.run(model, { input: fox, wait: { mode: "poll", interval: 50 } })).length;

// cancel
const abort = new AbortController();
let aborted;
const nothing = await replicate.run(
  model,
  { input: slow, wait: { mode: "poll", interval: 50 }, signal: abort.signal },
  (prediction) => {
    aborted = prediction;
    if (prediction.status === "processing") abort.abort();
  },
).catch((error) => error.name);
told.aborted = [aborted.status, nothing];

// wait, with a webhook
const webhook = `http://127.0.0.1:${receiver.address().port}/hook`;
const created = await replicate.predictions.create({ version: "pocket", input: fox, webhook });
told.created = created.status;
told.waited = (await replicate.wait(created, { interval: 50 })).status;
while (received.length < 1) await new Promise((resolve) => setTimeout(resolve, 50));
const { key: secret } = await replicate.webhooks.default.secret.get();
told.webhook = [await validateWebhook(received[0], secret), JSON.parse(received[0].body).status];
told.forged = await validateWebhook({ ...received[0], body: "{}" }, secret);

// stream
told.stream = [];
for await (const event of replicate.stream(model, { input: slow })) {
  if (told.stream.at(-1) !== event.event) told.stream.push(event.event);
}

// lists
told.pages = [];
for await (const page of replicate.paginate(replicate.predictions.list)) told.pages.push(page.length);

// errors
for (const [name, call] of Object.entries({
  unknown_model: () => replicate.run("stability-ai/sdxl", { input: fox }),
  out_of_bounds: () => replicate.run(model, { input: { ...fox, num_inference_steps: 1000 } }),
  no_key: () => new Replicate({ auth: "nobody", baseUrl: `${url}/v1` }).predictions.get(created.id),
})) {
  await call().catch((error) => (told[name] = [error.name, error.response.status, error.message]));
}
receiver.close();
console.log(JSON.stringify(told));
