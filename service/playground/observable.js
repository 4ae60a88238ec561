/** A value that tells when it changes. Knows nothing of what it holds. */

import { useLayoutEffect, useReducer } from "./vendor/htm-preact.js";

/**
 * @template T
 * @typedef {object} Observable
 * @property {T} value
 * @property {(next: T) => void} set
 * @property {(listener: () => void) => () => void} subscribe gives what ends it
 */

/**
 * @template T
 * @param {T} value
 * @returns {Observable<T>}
 */
export function observable(value) {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const self = {
    value,
    /** @param {T} next */
    set(next) {
      self.value = next;
      for (const listener of [...listeners]) listener();
    },
    /** @param {() => void} listener */
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return self;
}

/**
 * The value, for a component that is drawn anew when it changes.
 *
 * @template T
 * @param {Observable<T>} source
 * @returns {T}
 */
export function useObservable(source) {
  const [, redraw] = useReducer((/** @type {number} */ times) => times + 1, 0);
  useLayoutEffect(() => source.subscribe(() => redraw(undefined)), [source]);
  return source.value;
}
