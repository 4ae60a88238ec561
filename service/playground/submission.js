/** A request brought to the service, through any outage. Knows nothing of what becomes of it. */

import { askJson, post } from "./service.js";

const FIRST_PAUSE_SECONDS = 0.5;
const LONGEST_PAUSE_SECONDS = 5;

/** A name for a request that no other has: the service makes one job of all that come with it. */
export function requestName() {
  // Not crypto.randomUUID, which a page that came over plain http does not have.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * What the service made of it; asked again for as long as nobody answers, or the service cannot at the moment.
 *
 * @param {string} path
 * @param {unknown} request
 * @param {string} name of `requestName`
 * @param {(problem: import("./service.js").Problem | import("./service.js").Unreachable) => void} waits is told why
 * @returns {Promise<any>}
 * @throws {import("./service.js").Problem} that does not pass by itself
 */
export function place(path, request, name, waits) {
  return throughOutages(() => post(path, request, { "Idempotency-Key": name }), waits);
}

/**
 * @param {string} path of what may be asked twice
 * @param {(problem: import("./service.js").Problem | import("./service.js").Unreachable) => void} waits is told why
 * @returns {Promise<any>}
 * @throws {import("./service.js").Problem} that does not pass by itself
 */
export function cancel(path, waits) {
  return throughOutages(() => askJson(path, { method: "POST" }), waits);
}

/**
 * @param {() => Promise<any>} asked
 * @param {(problem: import("./service.js").Problem | import("./service.js").Unreachable) => void} waits
 */
async function throughOutages(asked, waits) {
  for (let pause = FIRST_PAUSE_SECONDS;; pause = Math.min(pause * 2, LONGEST_PAUSE_SECONDS)) {
    try {
      return await asked();
    } catch (error) {
      const problem = /** @type {any} */ (error);
      if (!problem.passes) throw error;
      waits(problem);
      await seconds(Math.max(pause, Math.min(problem.retrySeconds, LONGEST_PAUSE_SECONDS)));
    }
  }
}

/** @param {number} count */
export function seconds(count) {
  return new Promise((done) => setTimeout(done, count * 1000));
}
