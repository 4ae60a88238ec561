/** What outlives a reload of this tab, and ends with it. Knows nothing of what it keeps. */

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise where nothing is kept, or nothing that can be read
 * @returns {T}
 */
export function kept(name, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * Null forgets it. Where the browser keeps nothing, or has no room, the page works without.
 *
 * @param {string} name
 * @param {unknown} value
 */
export function keep(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // Storage is switched off, or full.
  }
}
