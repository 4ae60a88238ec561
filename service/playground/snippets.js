/** A request as a program of somebody's own would send it. A key is named, never shown. Knows nothing of the page. */

/**
 * @typedef {object} Snippet
 * @property {string} base address of the service, without a slash at its end
 * @property {Record<string, any>} request the body of `POST /generate`
 * @property {boolean} hasKey whether the service wants a key, which is then taken from DARKROOM_API_KEY
 */

/**
 * For a POSIX shell: the job, ended where that takes less than a minute.
 *
 * @param {Snippet} snippet
 */
export function curl({ base, request, hasKey }) {
  const body = quoted(JSON.stringify(request));
  const key = hasKey ? ` \\\n  -H "Authorization: Bearer $DARKROOM_API_KEY"` : "";
  return `curl -s -X POST ${quoted(`${base}/generate`)} \\
  -H 'Content-Type: application/json' -H 'Prefer: wait=60'${key} \\
  -d ${body}
`;
}

/**
 * With the package that comes with the service.
 *
 * @param {Snippet} snippet
 */
export function python({ base, request, hasKey }) {
  const { prompt, ...others } = request;
  const options = Object.entries(others).map(([name, value]) => `        ${name}=${pythonValue(value)},\n`);
  return `${hasKey ? "# The key is taken from DARKROOM_API_KEY.\n" : ""}from darkroom import Darkroom

with Darkroom(${pythonValue(base)}) as client:
    pictures = client.generate(
        ${pythonValue(prompt)},
${options.join("")}    )
    for picture in pictures:
        print(picture.save(f"{picture.seed}.${request.output_format ?? "png"}"))
`;
}

/**
 * For Node 20 or newer, as a module.
 *
 * @param {Snippet} snippet
 */
export function javascript({ base, request, hasKey }) {
  const key = hasKey ? "\n  Authorization: `Bearer ${process.env.DARKROOM_API_KEY}`," : "";
  return `import { writeFile } from "node:fs/promises";

const service = ${JSON.stringify(base)};
const headers = {
  "Content-Type": "application/json",
  "Idempotency-Key": crypto.randomUUID(),${key}
};
const request = ${JSON.stringify(request, null, 2)};

const read = async (answer) => {
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
};
let job = await read(await fetch(service + "/generate", { method: "POST", headers, body: JSON.stringify(request) }));
while (!job.completed_at) job = await read(await fetch(\`\${service}/jobs/\${job.id}?wait=30\`, { headers }));
if (job.error) throw new Error(job.error.detail);
for (const image of job.images) {
  const name = \`\${image.seed}.\${image.url.split(".").pop()}\`;
  await writeFile(name, new Uint8Array(await (await fetch(service + image.signed_url)).arrayBuffer()));
  console.log(name);
}
`;
}

/**
 * For a shell: nothing in it is read but the quote itself.
 *
 * @param {string} text
 */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * JSON is Python, but for three words; its escapes are the same, but for those of half a surrogate.
 *
 * @param {any} value
 * @returns {string}
 */
function pythonValue(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${pythonValue(each)}`).join(", ")}}`;
}
