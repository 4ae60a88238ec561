/** The grids of this tab: put in line, asked for until they have ended, found again after a reload. */

import { keep, kept } from "./kept.js";
import { observable } from "./observable.js";
import { askJson } from "./service.js";
import { cancel, place, requestName, seconds } from "./submission.js";

/**
 * @typedef {object} FollowedGrid
 * @property {string} name of the request
 * @property {any} request the body of `POST /grids`
 * @property {string | null} id null until the service has it in line
 * @property {any} grid as `GET /grids/{id}` has it; null until it was told
 * @property {boolean} isUnwanted
 * @property {string} trouble why it is not in line, or not told
 * @property {boolean} isRefused
 * @property {number} submittedAt milliseconds, of this machine's clock
 */

const KEPT = "darkroom-grids";
const MOST_KEPT = 10;
const ASK_SECONDS = 0.7;
const ASK_UNSEEN_SECONDS = 5;

/** Newest first. */
export const grids = observable(/** @type {FollowedGrid[]} */ ([]));

/** Those of this tab from before it was loaded. */
export function resumeGrids() {
  /** @type {FollowedGrid[]} */
  const former = kept(KEPT, []);
  grids.set(former.map((each) => ({ ...each, grid: null })));
  for (const { name, id, isUnwanted, isRefused } of former) {
    if (id) follow(name, id);
    else if (!isRefused) bringInLine(name);
    if (id && isUnwanted) cancelInLine(name, id);
  }
}

/**
 * @param {any} request the body of `POST /grids`
 * @returns {Promise<import("./service.js").Problem | null>} why it is refused
 */
export async function submitGrid(request) {
  const nothing = { id: null, grid: null, isUnwanted: false, trouble: "", isRefused: false };
  const each = { name: requestName(), request, submittedAt: Date.now(), ...nothing };
  grids.set([each, ...grids.value].filter((other, index) => index < MOST_KEPT || isOpenGrid(other)));
  keepGrids();
  const problem = await bringInLine(each.name);
  if (problem) putGridAway(each.name);
  return problem;
}

/** @param {FollowedGrid} each */
export async function cancelGrid(each) {
  change(each.name, { isUnwanted: true });
  keepGrids();
  if (each.id) await cancelInLine(each.name, each.id);
}

/**
 * Not shown any more; the service keeps it.
 *
 * @param {string} name
 */
export function putGridAway(name) {
  grids.set(grids.value.filter((each) => each.name !== name));
  keepGrids();
}

/** @param {FollowedGrid} each */
export function isOpenGrid(each) {
  return !each.isRefused && each.grid?.status !== "ended";
}

/** @param {string} name */
async function bringInLine(name) {
  const { request } = /** @type {FollowedGrid} */ (found(name));
  try {
    const grid = await place("grids", request, name, ({ message }) => change(name, { trouble: message }));
    change(name, { id: grid.id, grid, trouble: "" });
    keepGrids();
    if (found(name)?.isUnwanted) cancelInLine(name, grid.id);
    follow(name, grid.id);
    return null;
  } catch (error) {
    const problem = /** @type {import("./service.js").Problem} */ (error);
    change(name, { isRefused: true, trouble: problem.message });
    keepGrids();
    return problem;
  }
}

/**
 * @param {string} name
 * @param {string} id
 */
async function cancelInLine(name, id) {
  try {
    const grid = await cancel(`grids/${id}/cancel`, ({ message }) => change(name, { trouble: message }));
    change(name, { grid, trouble: "" });
  } catch (error) {
    change(name, { isUnwanted: false, trouble: /** @type {Error} */ (error).message });
    keepGrids();
  }
}

/**
 * @param {string} name
 * @param {string} id
 */
async function follow(name, id) {
  for (;;) {
    const each = found(name);
    if (!each || !isOpenGrid(each)) return;
    try {
      change(name, { grid: await askJson(`grids/${id}`), trouble: "" });
    } catch (error) {
      const { isGone, message } = /** @type {import("./service.js").Problem} */ (error);
      if (isGone) return putGridAway(name);
      change(name, { trouble: message });
    }
    await seconds(document.hidden ? ASK_UNSEEN_SECONDS : ASK_SECONDS);
  }
}

/** @param {string} name */
function found(name) {
  return grids.value.find((each) => each.name === name);
}

/**
 * @param {string} name
 * @param {Partial<FollowedGrid>} changes
 */
function change(name, changes) {
  grids.set(grids.value.map((each) => (each.name === name ? { ...each, ...changes } : each)));
}

/** Without what the service can tell again. */
function keepGrids() {
  keep(KEPT, grids.value.map(({ grid: _grid, ...rest }) => rest));
}
