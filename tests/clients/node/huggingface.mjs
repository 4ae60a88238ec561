// @huggingface/inference at an endpoint of ours. Arguments: the service's URL, a key, a folder.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceClient } from "@huggingface/inference";

const [url, key, folder] = process.argv.slice(2);
const inputs = "a photo of a fox on a blue background";
const parameters = { num_inference_steps: 4, seed: 7, width: 128, height: 64 };
const told = {};

const client = new InferenceClient(key);
const blob = await client.endpoint(`${url}/huggingface`).textToImage({ inputs, parameters });
await writeFile(join(folder, "fox"), Buffer.from(await blob.arrayBuffer()));
told.blob = [blob.type, blob.size];
const named = client.endpoint(`${url}/huggingface/models/pocket`);
told.data_url = (await named.textToImage({ inputs, parameters }, { outputType: "dataUrl" })).slice(0, 15);
for (const [name, call] of Object.entries({
  out_of_bounds: () => named.textToImage({ inputs, parameters: { width: 4096 } }),
  unknown_model: () => client.endpoint(`${url}/huggingface/models/nope`).textToImage({ inputs }),
  no_key: () => new InferenceClient("nobody").endpoint(`${url}/huggingface`).textToImage({ inputs }),
})) {
  await call().catch((error) => (told[name] = [error.name, error.httpResponse.status, error.message]));
}
const abort = new AbortController();
const hung_up = named.textToImage(
  { inputs, parameters: { num_inference_steps: 100, width: 256, height: 256, seed: 4242 } },
  { signal: abort.signal },
);
setTimeout(() => abort.abort(), 700);
told.hung_up = await hung_up.catch((error) => error.name);
console.log(JSON.stringify(told));
