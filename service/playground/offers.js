/** What the service offers: models, schedulers, styles, and who draws. Knows nothing of a form. */

import { observable } from "./observable.js";
import { askJson } from "./service.js";
import { seconds } from "./submission.js";

const ASK_AGAIN_SECONDS = 10;
const ASK_AFTER_FAILURE_SECONDS = 2;

/**
 * @typedef {object} Offers
 * @property {import("./limits.js").Model[]} models
 * @property {{ name: string, class_name: string, options: Record<string, unknown> }[]} schedulers
 * @property {{ name: string, prompt: string, negative_prompt: string }[]} styles
 */

/** Null until they are known. */
export const offers = observable(/** @type {Offers | null} */ (null));

/** Who draws, as `/readyz` has it; null until that is known, too. */
export const workers = observable(/** @type {{ state: string, reason: string | null }[] | null} */ (null));

/** Asks until all are known, then from time to time how models and workers stand. */
export async function keepOffers() {
  for (;;) {
    try {
      if (offers.value === null) {
        const [{ models }, { schedulers }, { styles }] = await Promise.all([
          askJson("models"),
          askJson("schedulers"),
          askJson("styles"),
        ]);
        offers.set({ models, schedulers, styles });
      } else if (!document.hidden) {
        const { models } = await askJson("models");
        offers.set({ ...offers.value, models });
      }
      workers.set((await askJson("readyz")).workers);
      await seconds(ASK_AGAIN_SECONDS);
    } catch {
      await seconds(ASK_AFTER_FAILURE_SECONDS);
    }
  }
}

/**
 * The one of that id, or the default.
 *
 * @param {string | undefined} id
 */
export function modelOf(id) {
  const models = offers.value?.models ?? [];
  return models.find((model) => model.id === id) ?? models.find((model) => model.default) ?? models[0];
}
