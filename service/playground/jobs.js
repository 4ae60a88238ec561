/**
 * The jobs of this tab: put in line, followed to their end, found again after a reload.
 *
 * Knows the API's jobs; knows nothing of what is shown. A tab that is seen streams the two jobs that are nearest to their
 * end, and asks for the others; one that is not seen only asks.
 */

import { eventsOf } from "./event_stream.js";
import { afterAnswer, afterEvent, isOpen } from "./job_news.js";
import { keep, kept } from "./kept.js";
import { observable } from "./observable.js";
import { ask, askJson } from "./service.js";
import { withConnection } from "./stream_connections.js";
import { cancel, place, requestName, seconds } from "./submission.js";

/** @typedef {import("./job_news.js").Followed} Followed */

const KEPT = "darkroom-jobs";
const MOST_KEPT = 40;
const STREAMS = 2;
const ASK_SECONDS = 1;
const ASK_UNSEEN_SECONDS = 5;

/** Newest first. */
export const jobs = observable(/** @type {Followed[]} */ ([]));

/** @type {Map<string, AbortController>} by the job's id */
const streams = new Map();

let asking = false;

/** Those of this tab from before it was loaded: also a request whose answer was still on its way. */
export function resumeJobs() {
  /** @type {Followed[]} */
  const former = kept(KEPT, []);
  jobs.set(former.map((each) => ({ ...each, job: null, previews: [] })));
  for (const { name, id, isRefused } of former) {
    if (id) refresh(name, id).then(() => cancelIfUnwanted(name));
    else if (!isRefused) bringInLine(name);
  }
  tend();
  document.addEventListener("visibilitychange", tend);
}

/**
 * @param {Record<string, any>} request the body of `POST /generate`
 * @returns {Promise<import("./service.js").Problem | null>} why it is refused
 */
export async function submitJob(request) {
  const name = requestName();
  add(followed(name, request));
  const problem = await bringInLine(name);
  if (problem) putAway(name);
  return problem;
}

/**
 * One that somebody else submitted, or this tab before, is followed here too.
 *
 * @param {any} job
 */
export function followJob(job) {
  if (!jobs.value.some((each) => each.id === job.id)) {
    add({ ...followed(requestName(), job.parameters), id: job.id, job });
  }
  tend();
}

/** @param {Followed} each */
export async function cancelJob(each) {
  change(each.name, () => ({ isUnwanted: true }));
  keepJobs();
  if (each.id) await cancelInLine(each.name, each.id);
}

/**
 * Not shown any more; the service keeps it.
 *
 * @param {string} name
 */
export function putAway(name) {
  jobs.set(jobs.value.filter((each) => each.name !== name));
  keepJobs();
}

/**
 * For ever, with its pictures.
 *
 * @param {string} id
 * @throws {import("./service.js").Problem | import("./service.js").Unreachable}
 */
export async function deleteJob(id) {
  try {
    await ask(`jobs/${id}`, { method: "DELETE" });
  } catch (error) {
    if (!(/** @type {import("./service.js").Problem} */ (error).isGone)) throw error;
  }
  jobs.set(jobs.value.filter((each) => each.id !== id));
  keepJobs();
}

/**
 * @param {string} name
 * @param {Record<string, any>} request
 * @returns {Followed}
 */
function followed(name, request) {
  const nothing = { id: null, job: null, previews: [], isUnwanted: false, trouble: "", isRefused: false };
  return { name, request, submittedAt: Date.now(), ...nothing };
}

/**
 * The oldest that have ended make room; the service keeps them.
 *
 * @param {Followed} each
 */
function add(each) {
  const all = [each, ...jobs.value];
  jobs.set(all.filter((other, index) => index < MOST_KEPT || isOpen(other)));
  keepJobs();
}

/** @param {string} name */
async function bringInLine(name) {
  const { request } = /** @type {Followed} */ (found(name));
  try {
    const job = await place("generate", request, name, ({ message }) => change(name, () => ({ trouble: message })));
    change(name, () => ({ id: job.id, trouble: "" }));
    keepJobs();
    take(name, job);
  } catch (error) {
    const problem = /** @type {import("./service.js").Problem} */ (error);
    change(name, () => ({ isRefused: true, trouble: problem.message }));
    keepJobs();
    return problem;
  }
  await cancelIfUnwanted(name);
  return null;
}

/**
 * What was not wanted any more before the service had it, or before this page was loaded.
 *
 * @param {string} name
 */
async function cancelIfUnwanted(name) {
  const each = found(name);
  if (each?.isUnwanted && each.id && isOpen(each)) await cancelInLine(name, each.id);
}

/**
 * @param {string} name
 * @param {string} id
 */
async function cancelInLine(name, id) {
  try {
    take(name, await cancel(`jobs/${id}/cancel`, ({ message }) => change(name, () => ({ trouble: message }))));
  } catch (error) {
    change(name, () => ({ isUnwanted: false, trouble: /** @type {Error} */ (error).message }));
    keepJobs();
  }
}

/** Streams for those that are nearest to their end, and a question for all from time to time. */
function tend() {
  const open = jobs.value.filter((each) => each.id && each.job && isOpen(each));
  const nearest = open.sort((one, other) => placeInLine(one) - placeInLine(other)).slice(
    0,
    document.hidden ? 0 : STREAMS,
  );
  for (const [id, stream] of streams) {
    if (!nearest.some((each) => each.id === id)) {
      streams.delete(id);
      stream.abort();
    }
  }
  for (const each of nearest) if (!streams.has(/** @type {string} */ (each.id))) watch(each);
  if (!asking) askWhileOpen();
}

/** @param {Followed} each */
function placeInLine(each) {
  return each.job.queue_position ?? 0;
}

/** @param {Followed} each */
async function watch({ name, id }) {
  const job = /** @type {string} */ (id);
  const stream = new AbortController();
  streams.set(job, stream);
  let last = "";
  let attempts = 0;
  const listen = async () => {
    const headers = last ? { "Last-Event-ID": last } : undefined;
    const { body } = await ask(`jobs/${job}/events?preview=1`, { headers, signal: stream.signal });
    if (body) {
      for await (const event of eventsOf(body)) {
        last = event.id || last;
        if (event.event === "running") attempts = event.data.attempts;
        if (event.data.id) take(name, event.data);
        else change(name, (each) => afterEvent(each, event, attempts));
      }
    }
    await refresh(name, job); // what the stream did not tell: a job that was deleted, or an end that was told before
  };
  while (!stream.signal.aborted) {
    try {
      await withConnection(listen);
    } catch {
      // It is asked again.
    }
    const each = found(name);
    if (!each || !isOpen(each)) stream.abort();
    else await seconds(1);
  }
  if (streams.get(job) === stream) streams.delete(job);
}

async function askWhileOpen() {
  asking = true;
  while (jobs.value.some((each) => each.id && isOpen(each))) {
    await seconds(document.hidden ? ASK_UNSEEN_SECONDS : ASK_SECONDS);
    try {
      await askForAll();
    } catch {
      // It is asked again.
    }
  }
  asking = false;
}

/** One question for all that are open, and one for each that is not among the answers. */
async function askForAll() {
  const { jobs: told } = await askJson("jobs?status=queued&status=running&limit=100");
  const byId = new Map(told.map((/** @type {any} */ job) => [job.id, job]));
  for (const each of jobs.value.filter(isOpen)) {
    if (!each.id) continue;
    if (byId.has(each.id)) take(each.name, byId.get(each.id));
    else await refresh(each.name, each.id);
  }
}

/**
 * @param {string} name
 * @param {string} id
 */
async function refresh(name, id) {
  try {
    take(name, await askJson(`jobs/${id}`));
  } catch (error) {
    if (/** @type {import("./service.js").Problem} */ (error).isGone) putAway(name);
  }
}

/**
 * What the service says of it.
 *
 * @param {string} name
 * @param {any} job
 */
function take(name, job) {
  change(name, (each) => afterAnswer(each, job));
  tend();
}

/**
 * @param {string} name
 * @returns {Followed | undefined}
 */
function found(name) {
  return jobs.value.find((each) => each.name === name);
}

/**
 * @param {string} name
 * @param {(each: Followed) => Partial<Followed>} changes
 */
function change(name, changes) {
  jobs.set(jobs.value.map((each) => (each.name === name ? { ...each, ...changes(each) } : each)));
}

/** Without what the service can tell again. */
function keepJobs() {
  keep(KEPT, jobs.value.map(({ job: _job, previews: _previews, ...rest }) => rest));
}
