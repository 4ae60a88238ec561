/** What outlives a reload of this tab, and ends with it. Knows nothing of what it keeps. */

/** @type {Map<string, string>} what the browser would not keep: it ends with the page */
const unkept = new Map();

let isForgotten = false;

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise where nothing is kept, or nothing that can be read
 * @returns {T}
 */
export function kept(name, otherwise) {
  try {
    return JSON.parse(unkept.get(name) ?? sessionStorage.getItem(name) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * Where the browser keeps nothing, or has no room, it lasts as long as the page.
 *
 * @param {string} name
 * @param {unknown} value
 */
export function keep(name, value) {
  if (isForgotten) return;
  const text = JSON.stringify(value);
  try {
    sessionStorage.setItem(name, text);
    unkept.delete(name);
  } catch {
    unkept.set(name, text);
  }
}

/** All of it, and what this page would keep from now on. */
export function forget() {
  isForgotten = true;
  try {
    sessionStorage.clear();
  } catch {
    // There is nothing in it.
  }
}
