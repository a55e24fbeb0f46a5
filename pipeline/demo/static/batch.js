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
    const rows = [];
    const [progress, status] = [$("progress"), $("batch-status")];
    $("batch-error").textContent = "";
    $("batch-list").replaceChildren();
    $("download").hidden = true;
    const [model, column, changes] = [modelName(), $("column").value, JSON.stringify(search())];
    const query = new URLSearchParams({ model, name: file.name, column, search: changes });
    const began = performance.now();
    try {
      status.textContent = `Sending ${file.name} …`;
      await stream(`api/batch?${query}`, file, (event) => {
        if (event.total) {
          [progress.max, progress.value, progress.hidden, $("stop").hidden] = [event.total, 0, false, false];
          return;
        }
        rows.push(event);
        progress.value = rows.length;
        status.textContent = `${rows.length} of ${progress.max} documents`;
        if (rows.length <= MOST_SHOWN) {
          const item = document.createElement("li");
          const note = document.createElement("small");
          note.textContent = event.document.length > MOST_CHARACTERS ? `${event.document.slice(0, MOST_CHARACTERS)} …` : event.document;
          item.append(event.summary || "(empty)", note);
          $("batch-list").append(item);
        }
      }, signal);
      status.textContent = `${rows.length} documents in ${((performance.now() - began) / 1000).toFixed(1)} s`;
    } catch (error) {
      if (signal.aborted) status.textContent = `Stopped after ${rows.length} documents.`;
      else [status.textContent, $("batch-error").textContent] = ["", error.message];
    }
    $("stop").hidden = true;
    if (rows.length) offer(file.name, rows);
  }

  function offer(name, rows) {
    if (address) URL.revokeObjectURL(address);
    const lines = rows.map((row) => JSON.stringify(row) + "\n");
    address = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    const link = $("download");
    link.href = address;
    link.download = name.replace(/\.\w+$/, "") + ".summaries.jsonl";
    link.textContent = `Download ${rows.length} summaries`;
    link.hidden = false;
  }
}
