/**
 * The service's public API, as this page asks it.
 *
 * Knows HTTP, keys and problems; knows nothing of jobs, or of what is shown.
 */

import { forget, keep, kept } from "./kept.js";
import { observable } from "./observable.js";

const KEY = "darkroom-key";
const ANSWER_MILLISECONDS = 30_000;
const BASE = new URL("./", document.baseURI);

/** Whether the service answered the last time that it was asked. */
export const reachable = observable(true);

/** What to say to a person whose key is wanted; null where none is. */
export const keyWanted = observable(/** @type {string | null} */ (null));

export const hasKey = observable(kept(KEY, "") !== "");

/** How far the service's clock is before this one, in milliseconds. */
let ahead = 0;

/** Its Date header leaves out what is less than a second, and is looked up once a second. */
const DATE_LAGS_MILLISECONDS = 2000;

/** An answer that is an error: what the service says, and field by field where it says so. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {{ code?: string, detail?: string, errors?: { pointer: string, detail: string }[] }} told
   * @param {number} retrySeconds
   */
  constructor(status, told, retrySeconds) {
    super(told.detail ?? `The service answered with ${status}.`);
    this.status = status;
    this.code = told.code ?? "";
    this.errors = told.errors ?? [];
    this.retrySeconds = retrySeconds;
  }

  /** Whether the same request may be taken later, without anybody doing anything. */
  get passes() {
    return this.status >= 502 && this.status <= 504;
  }

  /** Whether there was something, and it was deleted or has expired. */
  get isGone() {
    return this.status === 404 || this.status === 410;
  }
}

/** Nothing was answered. */
export class Unreachable extends Error {
  passes = true;
  retrySeconds = 0;
}

/**
 * The address of what the service calls by a path of its own; the service itself may be below one.
 *
 * @param {string} path
 */
export function address(path) {
  return new URL(path.replace(/^\//, ""), BASE).href;
}

/** Milliseconds of the service's clock, as exact as its Date header. */
export function serviceNow() {
  return Date.now() + ahead;
}

/**
 * The answer, which is no error; waits for a key where one is wanted.
 *
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, body?: BodyInit, signal?: AbortSignal }} [options]
 *   without a `signal` it is given up after 30 seconds
 * @returns {Promise<Response>}
 * @throws {Problem | Unreachable}
 */
export async function ask(path, options = {}) {
  for (;;) {
    const key = kept(KEY, "");
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const answer = await fetched(path, { ...options, headers });
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401) throw problem;
    // Another request may have been told so first, and the person have given a better one meanwhile.
    if (kept(KEY, "") === key) await keyGiven(key ? problem.message : "");
  }
}

/**
 * @param {string} path
 * @param {{ method?: string, headers?: Record<string, string>, body?: BodyInit, signal?: AbortSignal }} [options]
 * @returns {Promise<any>}
 * @throws {Problem | Unreachable}
 */
export async function askJson(path, options) {
  const answer = await ask(path, options);
  try {
    return await answer.json();
  } catch {
    throw new Unreachable("The answer broke off.");
  }
}

/**
 * @param {string} path
 * @param {unknown} document
 * @param {Record<string, string>} [headers]
 * @throws {Problem | Unreachable}
 */
export function post(path, document, headers) {
  return askJson(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(document),
  });
}

/** @param {string} typed by the person */
export function giveKey(typed) {
  const key = typed.trim();
  if (!/^[!-~]+$/.test(key)) { // a header takes no other
    keyWanted.set("A key has no spaces, and no letters but those from A to Z.");
    return;
  }
  keep(KEY, key);
  hasKey.set(true);
  keyWanted.set(null);
}

/** The page begins anew without it, and without what was made with it. */
export function forgetKey() {
  forget();
  location.reload();
}

/** @param {string} words */
function keyGiven(words) {
  keyWanted.set(words);
  return /** @type {Promise<void>} */ (
    new Promise((given) => {
      const end = keyWanted.subscribe(() => {
        if (keyWanted.value !== null) return;
        end();
        given();
      });
    })
  );
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function fetched(path, options) {
  try {
    const signal = options.signal ?? AbortSignal.timeout(ANSWER_MILLISECONDS);
    const asked = Date.now();
    const answer = await fetch(address(path), { cache: "no-store", ...options, signal });
    const date = Date.parse(answer.headers.get("Date") ?? "");
    if (date) ahead = Math.max(date - Date.now(), Math.min(ahead, date + DATE_LAGS_MILLISECONDS - asked));
    if (!reachable.value) reachable.set(true);
    return answer;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    if (reachable.value) reachable.set(false);
    throw new Unreachable("The service does not answer.");
  }
}

/** @param {Response} answer */
async function problemOf(answer) {
  const retrySeconds = Number(answer.headers.get("Retry-After")) || 0;
  try {
    return new Problem(answer.status, await answer.json(), retrySeconds);
  } catch {
    return new Problem(answer.status, {}, retrySeconds); // a proxy's, or one that broke off
  }
}
