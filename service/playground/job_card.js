/** One job from the line to its pictures. */

import { FilmStrip } from "./film_strip.js";
import { JobActions, JobFacts } from "./job_details.js";
import { isOpen } from "./job_news.js";
import { cancelJob, putAway } from "./jobs.js";
import { useObservable } from "./observable.js";
import { workers } from "./offers.js";
import { showPicture } from "./picture_dialog.js";
import { say } from "./said.js";
import { serviceNow } from "./service.js";
import { SignedImage } from "./signed_image.js";
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { duration, ordinal, plural } from "./words.js";

const TICK_MILLISECONDS = 100;

/** @param {{ each: import("./job_news.js").Followed }} props */
export function JobCard({ each }) {
  const { job } = each;
  useNews(job);
  const style = job?.style;
  const prompt = style?.prompt ?? job?.parameters.prompt ?? each.request.prompt;
  const state = job?.status ?? (each.isRefused ? "failed" : "submitting");
  return html`
    <article class="card" aria-label=${prompt} data-status=${state}>
      <h2>${prompt}${style && html`
        <span class="tag">${style.name}</span>
      `}</h2>
      ${isOpen(each) ? html`<${Underway} each=${each} />` : html`<${Ended} each=${each} />`}
    </article>
  `;
}

/** @param {{ each: import("./job_news.js").Followed }} props */
function Underway({ each }) {
  const { job, previews } = each;
  const known = useObservable(workers);
  const hint = job?.status === "queued" && workerWords(known);
  const latest = previews.at(-1);
  const { width, height } = job?.parameters ?? each.request;
  const progress = job?.status === "running" ? job.progress : null;
  return html`
    <div class="picture" style=${{ aspectRatio: `${width} / ${height}` }}>
      ${latest &&
        html`<img class="preview" src=${latest.image} alt="Preview at step ${latest.step} of ${latest.total}" />`}
    </div>
    <progress
      aria-label="Steps"
      max=${progress?.total ?? 1}
      value=${job?.status === "running" ? (progress?.step ?? 0) : undefined}
    ></progress>
    <p class="state">${stateWords(each)} · <${Elapsed} since=${since(each)} /></p>
    ${hint && html`<p class="warning">${hint}</p>`}
    <div class="actions">
      <button type="button" disabled=${each.isUnwanted} onClick=${() => cancelJob(each)}>
        ${each.isUnwanted ? "Canceling…" : html`Cancel <kbd>Esc</kbd>`}
      </button>
    </div>
  `;
}

/** @param {import("./job_news.js").Followed} each */
function stateWords({ job, trouble }) {
  if (trouble) return `${trouble} Trying again…`;
  if (!job) return "Sending…";
  const eta = job.eta_seconds ? `, about ${duration(job.eta_seconds)} to go` : "";
  if (job.status === "queued") return `${placeWords(job.queue_position)}${eta}`;
  const again = job.attempts > 1 ? `, ${ordinal(job.attempts)} attempt` : "";
  return job.progress ? `Step ${job.progress.step} of ${job.progress.total}${eta}${again}` : `Running${eta}${again}`;
}

/**
 * Why nothing happens; nothing where somebody is ready, or nothing is known.
 *
 * @param {{ state: string, reason: string | null }[] | null} workers
 */
function workerWords(workers) {
  if (!workers || workers.some(({ state }) => state === "ready")) return "";
  if (workers.some(({ state }) => state === "loading")) return "The worker is loading its model.";
  return ["No worker is ready; the job waits for one.", ...workers.map(({ reason }) => reason)].filter(Boolean).join(
    " ",
  );
}

/** @param {number | null} position */
function placeWords(position) {
  if (!position) return "In line";
  return position === 1 ? "Next in line" : `${ordinal(position)} in line`;
}

/**
 * When it began to wait, or to run: milliseconds of the service's clock.
 *
 * @param {import("./job_news.js").Followed} each
 */
function since({ job, submittedAt }) {
  if (!job) return submittedAt;
  return Date.parse((job.status === "running" && job.started_at) || job.created_at);
}

/** @param {{ since: number }} props */
function Elapsed({ since }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick(Date.now()), TICK_MILLISECONDS);
    return () => clearInterval(timer);
  }, []);
  return html`<span class="elapsed">${(Math.max(0, serviceNow() - since) / 1000).toFixed(1)} s</span>`;
}

/** @param {{ each: import("./job_news.js").Followed }} props */
function Ended({ each }) {
  const { job, previews } = each;
  const away = html`<button type="button" class="plain" onClick=${() => putAway(each.name)}>Put away</button>`;
  if (!job) {
    return html`
      <p class="wrong">Refused: ${each.trouble}</p>
      <div class="actions">${away}</div>
    `;
  }
  return html`
    ${job.status === "succeeded" && html`<${Pictures} job=${job} />`}
    ${job.status === "canceled" && html`<p class="state">Canceled.</p>`}
    ${job.error && html`<p class="wrong">${job.error.detail} <code>${job.error.code}</code></p>`}
    ${previews.length > 1 && html`<${FilmStrip} previews=${previews} job=${job} />`}
    <${JobFacts} job=${job} />
    <${JobActions} job=${job}>${away}<//>
  `;
}

/** @param {{ job: any }} props */
function Pictures({ job }) {
  return html`
    <div class=${job.images.length > 1 ? "pictures" : "picture"}>
      ${job.images.map(
        (/** @type {any} */ image, /** @type {number} */ place) =>
          html`
            <button key=${image.index} type="button" class="image" onClick=${() => showPicture(job, place)}>
              <${SignedImage} jobId=${job.id} image=${image} alt=${job.parameters.prompt} />
            </button>
          `,
      )}
    </div>
  `;
}

/**
 * What happens to it, for those who do not see it: its states, and every quarter of its steps.
 *
 * @param {any} job
 */
function useNews(job) {
  const { step, total } = job?.progress ?? { step: 0, total: 1 };
  const quarter = job?.status === "running" ? Math.floor((step / total) * 4) : 0;
  const [first] = useState(job?.status ?? "");
  useEffect(() => {
    if (!job || (job.completed_at && job.status === first)) return; // it had ended before this was drawn
    /** @type {Record<string, string>} */
    const words = {
      queued: placeWords(job.queue_position),
      running: quarter ? `${quarter * 25} percent` : "Running",
      succeeded: `Done: ${plural(job.images.length, "picture")}`,
      failed: `Failed: ${job.error?.detail}`,
      canceled: "Canceled",
    };
    say(words[job.status]);
  }, [job?.status, quarter]);
}
