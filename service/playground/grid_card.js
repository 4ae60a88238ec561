/** One grid: its cells as they fill in, and the sheet. */

import { calledBy } from "./axes.js";
import { cancelGrid, isOpenGrid, putGridAway } from "./grids.js";
import { Message, show } from "./modal.js";
import { showPicture } from "./picture_dialog.js";
import { say } from "./said.js";
import { askJson } from "./service.js";
import { SignedDownload } from "./signed_download.js";
import { SignedImage } from "./signed_image.js";
import { html, useEffect } from "./vendor/htm-preact.js";
import { duration } from "./words.js";

/** @param {{ each: import("./grids.js").FollowedGrid }} props */
export function GridCard({ each }) {
  const { grid, request } = each;
  const isOpen = isOpenGrid(each);
  const name = `${calledBy(request.x.parameter)} × ${calledBy(request.y.parameter).toLowerCase()}`;
  useEffect(() => {
    if (grid?.status === "ended") say(`Grid ended: ${grid.counts.succeeded} of ${grid.cells.length} pictures`);
  }, [grid?.status]);
  return html`
    <article class="card" aria-label="Grid: ${request.parameters.prompt}" data-status=${grid?.status ?? "submitting"}>
      <h2>${request.parameters.prompt} <span class="tag">${name}</span></h2>
      ${isOpen && html`<progress aria-label="Grid" max="1" value=${grid?.progress ?? 0}></progress>`}
      ${each.trouble && html`<p class="wrong">${each.trouble}</p>`}
      ${grid && html`<${Cells} grid=${grid} />`}
      <p class="state">${grid ? countWords(grid) : isOpen && "Sending…"}</p>
      <div class="actions">
        ${isOpen
          ? html`<button type="button" disabled=${each.isUnwanted} onClick=${() => cancelGrid(each)}>
              ${each.isUnwanted ? "Stopping…" : html`Stop all <kbd>Esc</kbd>`}
            </button>`
          : html`<button type="button" class="plain" onClick=${() => putGridAway(each.name)}>Put away</button>`}
        ${grid?.counts.succeeded > 0 &&
          html`<${SignedDownload} url=${grid.sheet_signed_url} name="grid.png" renewed=${() => signedSheet(grid)}>
            Download the sheet
          <//>`}
      </div>
    </article>
  `;
}

/** @param {any} grid */
async function signedSheet({ id }) {
  return (await askJson(`grids/${id}`)).sheet_signed_url;
}

/** @param {any} grid */
function countWords({ counts, eta_seconds: eta }) {
  const words = Object.entries(counts)
    .filter(([, count]) => count)
    .map(([status, count]) => `${count} ${status}`);
  return [...words, eta && `about ${duration(eta)} to go`].filter(Boolean).join(" · ");
}

/** @param {{ grid: any }} props */
function Cells({ grid }) {
  const { x, y, cells } = grid;
  const columns = x.values.length;
  return html`
    <div class="cells" role="region" aria-label="Cells" tabindex="0">
      <table>
        <thead>
          <tr>
            <th scope="col">
              ${y && html`${calledBy(y.parameter)} <span aria-hidden="true">↓</span><br />`} ${calledBy(x.parameter)}
              <span aria-hidden="true"> →</span>
            </th>
            ${x.values.map((/** @type {any} */ value) => html`<th key=${value} scope="col">${String(value)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${(y?.values ?? [""]).map(
            (/** @type {any} */ value, /** @type {number} */ row) =>
              html`
                <tr key=${value}>
                  <th scope="row">${String(value)}</th>
                  ${cells
                    .slice(row * columns, (row + 1) * columns)
                    .map((/** @type {any} */ cell) =>
                      html`
                        <td key=${cell.job_id}>
                          <${Cell} cell=${cell} />
                        </td>
                      `
                    )}
                </tr>
              `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** @param {{ cell: any }} props */
function Cell({ cell }) {
  const { status, image, error, timings } = cell;
  if (!image) return html`<span class="cell" data-status=${status}>${error?.code ?? status}</span>`;
  const seconds = (timings.denoise_seconds ?? 0) + (timings.decode_seconds ?? 0);
  return html`
    <button type="button" class="image" onClick=${() => showCell(cell)}>
      <${SignedImage} jobId=${cell.job_id} image=${image} alt="${cell.x}, ${cell.y}" />
    </button>
    <small>${duration(seconds)}</small>
  `;
}

/** @param {any} cell */
async function showCell(cell) {
  try {
    showPicture(await askJson(`jobs/${cell.job_id}`));
  } catch (error) {
    show("It cannot be shown", Message, { error });
  }
}
