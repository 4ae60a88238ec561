/** Numbers as people read them. Knows nothing of where they stand. */

/** @param {number} count */
export function ordinal(count) {
  const tail = count % 100 > 10 && count % 100 < 14 ? 0 : count % 10;
  return `${count}${["th", "st", "nd", "rd"][tail] ?? "th"}`;
}

/**
 * @param {number} count
 * @param {string} word in the singular
 */
export function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 1) return `${whole} s`;
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

/** @param {string} time of RFC 3339 */
export function moment(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

/**
 * Where the seconds of a job went; those that took none are left out.
 *
 * @param {Record<string, number | null>} timings of the API
 */
export function timingWords(timings) {
  return [
    ["waited", timings.queued_seconds],
    ["loaded the model", timings.load_seconds],
    ["denoised", timings.denoise_seconds],
    ["decoded", timings.decode_seconds],
    ["judged", timings.filter_seconds],
    ["stored", timings.store_seconds],
  ]
    .filter(([, seconds]) => Number(seconds) >= 0.005)
    .map(([verb, seconds]) => `${verb} ${duration(Number(seconds))}`)
    .join(" · ");
}
