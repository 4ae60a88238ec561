/** What news make of a job that is followed. Knows the API's jobs and events; asks nobody and shows nothing. */

/**
 * @typedef {object} Preview
 * @property {number} step
 * @property {number} total
 * @property {string} image a data URL
 */

/**
 * @typedef {object} Followed
 * @property {string} name of the request
 * @property {Record<string, any>} request
 * @property {string | null} id null until the service has it in line
 * @property {any} job as `GET /jobs/{id}` has it; null until it was told
 * @property {Preview[]} previews in the order of their steps
 * @property {boolean} isUnwanted whether it is to be canceled, at the latest when the service answers
 * @property {string} trouble why it is not in line yet, or never will be; empty where it is
 * @property {boolean} isRefused
 * @property {number} submittedAt milliseconds, of this machine's clock
 */

const MOST_PREVIEWS = 60;

/** @param {Followed} each */
export function isOpen(each) {
  return !each.isRefused && !each.job?.completed_at;
}

/**
 * Of the whole job. An answer that is older than what is known already changes nothing.
 *
 * @param {Followed} each
 * @param {any} job
 * @returns {Partial<Followed>}
 */
export function afterAnswer({ job: known, previews }, job) {
  if (known?.completed_at && !job.completed_at) return {};
  const isOneRun = !known || known.attempts === job.attempts || !known.attempts;
  const isBehind = isOneRun && !job.completed_at && stepOf(known) > stepOf(job);
  return {
    job: isBehind ? { ...job, progress: known.progress } : job,
    trouble: "",
    previews: isOneRun ? previews : [], // it is drawn from its beginning
  };
}

/**
 * Of one event, but an end, which is an answer. `queued` is left to those: it may be told long after.
 *
 * @param {Followed} each
 * @param {import("./event_stream.js").ServerEvent} event
 * @param {number} attempts of the run that the stream tells of: a stream begins with what happened long ago
 * @returns {Partial<Followed>}
 */
export function afterEvent({ job, previews }, { event, data }, attempts) {
  if (!job || job.completed_at || attempts < job.attempts) return {};
  if (event === "preview") return { previews: withPreview(previews, data) };
  if (event === "progress" && data.step >= stepOf(job)) return { job: { ...job, status: "running", progress: data } };
  if (event !== "running") return {};
  const isAnew = data.attempts > job.attempts && job.attempts > 0;
  return {
    job: {
      ...job,
      status: "running",
      attempts: data.attempts,
      queue_position: null,
      ...(isAnew && { progress: null }),
    },
    ...(isAnew && { previews: [] }),
  };
}

/** @param {any} job */
function stepOf(job) {
  return job?.progress?.step ?? 0;
}

/**
 * @param {Preview[]} previews
 * @param {Preview} preview
 */
function withPreview(previews, preview) {
  const others = previews.filter(({ step }) => step !== preview.step);
  const all = [...others, preview].sort((one, other) => one.step - other.step);
  // A strip of a hundred steps tells as much with every other one.
  return all.length > MOST_PREVIEWS ? all.filter((_, index) => index % 2 === 0 || index === all.length - 1) : all;
}
