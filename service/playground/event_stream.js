/** Server-Sent Events out of the body of an answer. An EventSource cannot send a key. Knows nothing of what they say. */

/**
 * @typedef {{ event: string, id: string, data: any }} ServerEvent `data` is JSON, read
 */

/**
 * Until the body ends. Comments and fields that are not known are passed over.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* eventsOf(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + decoder.decode(value, { stream: true })).split("\n\n");
      text = /** @type {string} */ (blocks.pop());
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // it may have broken, which its reader was told
  }
}

/** @param {string} block */
function eventOf(block) {
  const event = { event: "", id: "", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [name, value] = line.split(/: ?(.*)/s, 2);
    if (name === "event" || name === "id" || name === "data") event[name] = value ?? "";
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}
