// What openai-node does with the service. Arguments: URL, key, folder.
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const prompt = "a photo of a fox on a blue background";
const few = { num_inference_steps: 2 };

const format = (text) => {
  const head = Buffer.from(text, "base64").subarray(0, 12).toString("latin1");
  return head.slice(1, 4) === "PNG" ? "png" : head.startsWith("RIFF") ? "webp" : head.startsWith("\xff\xd8") ? "jpeg" : head;
};

const errorOf = async (call) => {
  try {
    await call();
  } catch (error) {
    return [error.constructor.name, error.status ?? null, error.code, error.param, Boolean(error.requestID)];
  }
  throw new Error("no error");
};

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const { data: answer, request_id } = await client.images
  .generate({ model: "pocket", prompt, n: 2, size: "64x128", output_format: "webp", seed: 7, ...few })
  .withResponse();

const events = [];
const stream = await client.images.generate({ prompt, stream: true, partial_images: 3, num_inference_steps: 30 });
for await (const event of stream) events.push(event);

// Whoever leaves in the middle has the job canceled.
const leaving = new AbortController();
setTimeout(() => leaving.abort(), 1000);
const [left] = await errorOf(() =>
  client.images.generate({ prompt, n: 8, size: "256x256", num_inference_steps: 100 }, { signal: leaving.signal }),
);

console.log(
  JSON.stringify({
    models,
    named: Boolean(request_id),
    pictures: answer.data.map((each) => [format(each.b64_json), each.seed]),
    size: answer.size,
    alias: (await client.images.generate({ model: "gpt-image-2", prompt, size: "1536x1024", ...few })).size,
    last: events.at(-1).type,
    partials: events.slice(0, -1).every((each, index) => each.partial_image_index === index && format(each.b64_json) === "png"),
    errors: {
      left,
      size: await errorOf(() => client.images.generate({ model: "pocket", prompt, size: "1024x1024" })),
      model: await errorOf(() => client.images.generate({ model: "nope", prompt })),
      key: await errorOf(() => new OpenAI({ baseURL: `${url}/v1`, apiKey: "dk_wrong" }).models.list()),
    },
  }),
);
