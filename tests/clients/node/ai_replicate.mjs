// The AI SDK with its provider for Replicate. Arguments: the service's URL, a key, a folder.

import { createReplicate } from "@ai-sdk/replicate";
import { generateImage } from "ai";

const [url, key] = process.argv.slice(2);
const model = createReplicate({ apiToken: key, baseURL: `${url}/v1` }).image("darkroom/pocket");
const prompt = "a photo of a fox on a blue background";
const steps = { replicate: { num_inference_steps: 4 } };
const told = {};

const several = await generateImage({ model, prompt, n: 2, size: "64x128", seed: 7, providerOptions: steps });
told.several = several.images.map((image) => [image.mediaType, image.uint8Array.length > 1000]);
const wide = await generateImage({
  model,
  prompt,
  aspectRatio: "16:9",
  seed: 7,
  providerOptions: { replicate: { ...steps.replicate, output_format: "jpg", output_quality: 80 } },
});
told.wide = wide.image.mediaType;
told.refused = await generateImage({ model, prompt, size: "4096x4096", maxRetries: 0 }).catch((error) => [
  error.statusCode,
  error.message,
]);
console.log(JSON.stringify(told));
