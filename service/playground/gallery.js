/** The owner's jobs, newest first: filtered, page after page, deleted, two of them compared. */

import { Comparison } from "./comparison.js";
import { Choice, described, Field } from "./fields.js";
import { followJob } from "./jobs.js";
import { labelsOf } from "./limits.js";
import { JobActions, JobFacts } from "./job_details.js";
import { show } from "./modal.js";
import { useObservable } from "./observable.js";
import { offers } from "./offers.js";
import { showPicture } from "./picture_dialog.js";
import { askJson } from "./service.js";
import { SignedImage } from "./signed_image.js";
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { moment, plural } from "./words.js";

const STATUSES = ["queued", "running", "succeeded", "failed", "canceled"];
const PAGE = 24;
const THUMBNAIL = 256;
const ASK_AGAIN_MILLISECONDS = 2000;

export function Gallery() {
  const [filters, setFilters] = useState({ model: "", status: "", labels: "" });
  const [chosen, choose] = useState(/** @type {string[]} */ ([]));
  const { jobs, isWhole, trouble, more, drop } = usePages(filters);
  const selected = chosen.flatMap((id) => jobs.filter((job) => job.id === id)); // one may be shown no more
  const ids = selected.map(({ id }) => id);
  const compared = (/** @type {string} */ id) =>
    choose(ids.includes(id) ? ids.filter((each) => each !== id) : [...ids, id].slice(-2));
  return html`
    <h2>Gallery</h2>
    <${Filters} filters=${filters} setFilters=${setFilters} />
    <div class="actions">
      <button
        type="button"
        disabled=${selected.length < 2}
        onClick=${() => show("Side by side", Comparison, { jobs: selected })}
      >
        Compare two
      </button>
      <button type="button" onClick=${() => setFilters({ ...filters })}>Refresh</button>
      <span class="hint">${selected.length ? `${selected.length} of 2 chosen` : "Choose two pictures"}</span>
    </div>
    <ul class="gallery">
      ${jobs.map(
        (job) =>
          html`
            <li key=${job.id}>
              <${Tile} job=${job} drop=${drop} isSelected=${ids.includes(job.id)} select=${() => compared(job.id)} />
            </li>
          `,
      )}
    </ul>
    ${isWhole && !jobs.length && html`<p class="empty">Nothing here yet.</p>`}
    ${trouble && html`<p class="wrong" role="alert">${trouble}</p>`}
    ${!isWhole && (jobs.length > 0 || trouble) && html`<${More} more=${more} isTrouble=${trouble !== ""} />`}
  `;
}

/** @param {{ filters: any, setFilters: (filters: any) => void }} props */
function Filters({ filters, setFilters }) {
  const models = useObservable(offers)?.models ?? [];
  const [labels, setLabels] = useState(filters.labels);
  const error = labels && !labels.includes(":") ? "must be a name and a value, as in course:noise" : "";
  const choice = (/** @type {string} */ name) => (/** @type {string} */ value) =>
    setFilters({ ...filters, [name]: value });
  const entered = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!error) choice("labels")(labels);
  };
  const any = { value: "", text: "Any" };
  return html`
    <form class="fields" aria-label="Filters" noValidate onSubmit=${entered}>
      <${Choice}
        name="filter-model"
        label="Model"
        value=${filters.model}
        change=${choice("model")}
        options=${[any, ...models.map(({ id }) => ({ value: id, text: id }))]}
      />
      <${Choice}
        name="filter-status"
        label="Status"
        value=${filters.status}
        change=${choice("status")}
        options=${[any, ...STATUSES.map((status) => ({ value: status, text: status }))]}
      />
      <${Field} name="filter-label" label="Label" error=${error}>
        <input
          ...${described("filter-label", error)}
          type="search"
          placeholder="course:noise"
          value=${labels}
          onInput=${(/** @type {any} */ event) => setLabels(event.target.value)}
          onChange=${entered}
        />
        <//>
        </form>
  `;
}

/**
 * @param {{ model: string, status: string, labels: string }} filters
 */
function usePages(filters) {
  const nothing = { jobs: /** @type {any[]} */ ([]), cursor: "", isWhole: false, trouble: "" };
  const [state, setState] = useState(nothing);
  const asked = useRef(0);
  const load = async (/** @type {string} */ from) => {
    const turn = ++asked.current; // only the latest question's answer counts
    try {
      const { jobs, next_cursor: cursor } = await askJson(`jobs?${query(filters, from)}`);
      if (turn !== asked.current) return;
      // What was deleted meanwhile does not come back.
      setState((now) => ({ jobs: [...now.jobs, ...jobs], cursor, isWhole: !cursor, trouble: "" }));
    } catch (error) {
      if (turn === asked.current) setState((now) => ({ ...now, trouble: /** @type {Error} */ (error).message }));
    }
  };
  useEffect(() => {
    setState(nothing);
    load("");
  }, [filters]);
  const drop = (/** @type {string} */ id) =>
    setState((before) => ({ ...before, jobs: before.jobs.filter((job) => job.id !== id) }));
  return { ...state, more: () => load(state.cursor), drop };
}

/**
 * @param {{ model: string, status: string, labels: string }} filters
 * @param {string} cursor
 */
function query({ model, status, labels }, cursor) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (model) query.set("model", model);
  if (status) query.set("status", status);
  for (const [name, value] of Object.entries(labelsOf(labels))) query.append("label", `${name}:${value}`);
  if (cursor) query.set("cursor", cursor);
  return query;
}

/**
 * Asks for the next page when it comes into sight, after trouble not at once; a button for those who do not scroll.
 *
 * @param {{ more: () => Promise<void>, isTrouble: boolean }} props
 */
function More({ more, isTrouble }) {
  const button = useRef(null);
  const latest = useRef(more);
  latest.current = more;
  useEffect(() => {
    const watcher = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && latest.current(), {
      rootMargin: "400px",
    });
    const timer = setTimeout(() => watcher.observe(button.current), isTrouble ? ASK_AGAIN_MILLISECONDS : 0);
    return () => {
      clearTimeout(timer);
      watcher.disconnect();
    };
  });
  return html`<div class="actions"><button ref=${button} type="button" onClick=${more}>More</button></div>`;
}

/** @param {{ job: any, isSelected: boolean, select: () => void, drop: (id: string) => void }} props */
function Tile({ job, isSelected, select, drop }) {
  const [image] = job.images;
  const dropped = () => drop(job.id);
  const { prompt } = job.parameters;
  const opened = () => {
    if (image) showPicture(job, 0, dropped);
    else if (job.completed_at) show("Job", JobDetails, { job, deleted: dropped });
    else {
      followJob(job);
      location.hash = "";
    }
  };
  return html`
    <button type="button" class="image" onClick=${opened}>
      ${image
        ? html`<${SignedImage} jobId=${job.id} image=${image} query=${thumbnail(image)} alt=${prompt} loading="lazy" />`
        : html`<span class="cell" data-status=${job.status}>${job.status}<br />${prompt}</span>`}
    </button>
    <small>${moment(job.created_at)}${job.images.length > 1 ? ` · ${plural(job.images.length, "picture")}` : ""}</small>
    ${image &&
      html`<label class="tick"><input type="checkbox" checked=${isSelected} onChange=${select} /> Compare</label>`}
  `;
}

/** @param {any} image */
function thumbnail({ width }) {
  return width > THUMBNAIL ? `&width=${THUMBNAIL}` : "";
}

/** @param {{ job: any, deleted: () => void, close: () => void }} props */
function JobDetails({ job, deleted, close }) {
  return html`
    <p>${job.parameters.prompt}</p>
    ${job.error
      ? html`<p class="wrong">${job.error.detail} <code>${job.error.code}</code></p>`
      : html`<p>${job.status}</p>`}
    <${JobFacts} job=${job} />
    <${JobActions} job=${job} close=${close} deleted=${deleted} />
  `;
}
