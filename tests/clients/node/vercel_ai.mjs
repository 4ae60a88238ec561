// What Vercel's AI SDK does with the service. Arguments: URL, key, folder.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";

const [url, key] = process.argv.slice(2);
const darkroom = createOpenAICompatible({ name: "darkroom", baseURL: `${url}/v1`, apiKey: key });
const prompt = "a photo of a fox on a blue background";

const generate = (model, options) =>
  generateImage({
    model: darkroom.imageModel(model),
    prompt,
    providerOptions: { darkroom: { seed: 7, num_inference_steps: 2 } },
    ...options,
  });

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return [error.name, error.statusCode ?? null, error.isRetryable ?? null, error.message];
  }
  throw new Error("no error");
};

const { images, warnings } = await generate("pocket", { n: 2, size: "64x128", maxImagesPerCall: 2 });
const again = await generate("pocket", { n: 2, size: "64x128", maxImagesPerCall: 2 });

console.log(
  JSON.stringify({
    kinds: images.map((image) => image.mediaType),
    same: images.every((image, index) => image.base64 === again.images[index].base64),
    warnings,
    alias: (await generate("dall-e-3", { size: "1024x1024" })).image.mediaType,
    errors: {
      size: await errorOf(() => generate("pocket", { size: "1024x1024" })),
      left: (
        await errorOf(() =>
          generate("pocket", {
            n: 8,
            size: "256x256",
            maxImagesPerCall: 8,
            abortSignal: AbortSignal.timeout(1000),
            providerOptions: { darkroom: { num_inference_steps: 100 } },
          }),
        )
      )[0],
    },
  }),
);
