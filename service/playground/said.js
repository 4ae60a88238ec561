/** What is said to those who do not see the page change: the latest, and not more often than can be listened to. */

import { observable } from "./observable.js";

const PAUSE_MILLISECONDS = 1500;

export const said = observable("");

let waiting = "";
let isBusy = false;

/** @param {string} words what was to be said before and was not, is left out */
export function say(words) {
  waiting = words;
  if (!isBusy) speak();
}

function speak() {
  isBusy = waiting !== "";
  if (!isBusy) return;
  said.set(waiting);
  waiting = "";
  setTimeout(speak, PAUSE_MILLISECONDS);
}
