// Many documents at once: upload, progress, download.

import { stream } from "./server.js";
import { acceptFiles } from "./files.js";

const $ = (id) => document.getElementById(id);
const MOST_SHOWN = 20;
const MOST_CHARACTERS = 160; // of a document, to know it by

// `search` gives the changes to the model's own settings.
export function setUpBatch(modelName, search) {
  let controller = null;
  let address = null;
  $("stop").addEventListener("click", () => controller?.abort());
  $("batch").addEventListener("submit", (event) => event.preventDefault());
  acceptFiles($("batch"), $("batch-file"), run);

  async function run(file) {
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    const [rows, rejected] = [[], []]; // all, and those of them without a summary
    const [progress, status] = [$("progress"), $("batch-status")];
    $("batch-error").textContent = "";
    ["batch-list", "batch-rejected"].forEach((id) => $(id).replaceChildren());
    $("download").hidden = true;
    const [model, column, changes] = [modelName(), $("column").value, JSON.stringify(search())];
    const query = new URLSearchParams({ model, name: file.name, column, search: changes });
    const began = performance.now();
    const numWritten = () => rows.length - rejected.length;
    const leftOut = () => (rejected.length ? `; rows left out: ${rejected.length}` : "");
    try {
      status.textContent = `Sending ${file.name} …`;
      await stream(`api/batch?${query}`, file, (event) => {
        if (event.total) {
          [progress.max, progress.value, progress.hidden, $("stop").hidden] = [event.total, 0, false, false];
          return;
        }
        rows.push(event);
        if (event.rejected) rejected.push(event);
        progress.value = rows.length;
        status.textContent = `${rows.length} of ${progress.max} rows${leftOut()}`;
        show(event, event.rejected ? $("batch-rejected") : $("batch-list"));
      }, signal);
      const shown = numWritten() > MOST_SHOWN ? `; the first ${MOST_SHOWN} stand below, all in the download` : "";
      status.textContent = `${numWritten()} documents in ${((performance.now() - began) / 1000).toFixed(1)} s${leftOut()}${shown}`;
    } catch (error) {
      if (signal !== controller.signal) return; // another file has taken this one's place
      if (signal.aborted) status.textContent = `Stopped after ${numWritten()} documents${leftOut()}.`;
      else [status.textContent, $("batch-error").textContent] = ["", error.message];
    }
    $("stop").hidden = true;
    if (rows.length) offer(file.name, rows, numWritten());
  }

  function show(row, list) {
    if (list.children.length >= MOST_SHOWN) return;
    const item = document.createElement("li");
    if (row.rejected) {
      item.textContent = `Line ${row.row}: ${row.rejected}`;
    } else {
      const note = document.createElement("small");
      note.textContent = row.document.length > MOST_CHARACTERS ? `${row.document.slice(0, MOST_CHARACTERS)} …` : row.document;
      item.append(row.summary || "(empty)", note);
    }
    list.append(item);
  }

  function offer(name, rows, numWritten) {
    if (address) URL.revokeObjectURL(address);
    const lines = rows.map((row) => JSON.stringify(row) + "\n");
    address = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    const link = $("download");
    link.href = address;
    link.download = name.replace(/\.\w+$/, "") + ".summaries.jsonl";
    link.textContent = `Download ${numWritten} summaries`;
    link.hidden = false;
  }
}
