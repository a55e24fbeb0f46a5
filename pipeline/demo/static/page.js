// The page: a document in, a summary as it is written, and where each of its words comes from.

import { setUpBatch } from "./batch.js";
import { compare } from "./compare.js";
import { acceptFiles, textOf } from "./files.js";
import { heatMap } from "./map.js";
import { get, post, stream } from "./server.js";
import { attentionOf, describe, point, remarks, showDocument, showWords, sourcesOf, tint } from "./words.js";

const $ = (id) => document.getElementById(id);
const EXAMPLE =
  "GNU Midnight Commander is a text-mode full-screen file manager. It uses a two panel interface and a subshell for command " +
  "execution. It includes an internal editor with syntax highlighting and an internal viewer with support for binary files. " +
  "Also included is a virtual file system that allows files on remote systems and files inside archives to be handled like " +
  "real files.";
const SLIDERS = ["min_tokens", "max_words", "beam_size"];

let models = {};
let asked = null; // { document, model } of the summary that is shown
let explanation = null;
let word = null;

const modelName = () => $("model").value;
const fail = (error) => ($("error").textContent = error.message);

function showSlider(id) {
  const value = $(id).value;
  $(id).parentElement.querySelector("output").textContent = id === "max_words" && value === "0" ? "no limit" : value;
}

function useSettingsOf(model) {
  const { search, encoder } = models[model];
  for (const id of SLIDERS) {
    $(id).max = Math.max($(id).max, search[id]);
    $(id).value = search[id];
  }
  $("source_support").checked = search.source_support;
  $("risk").checked = search.risk_samples > 0;
  [...SLIDERS, "best"].forEach(showSlider);
  $("direction-row").hidden = encoder !== "bilstm";
}

// What was changed in the settings. The rest is each model's own.
function search(name = modelName()) {
  const [own, shown] = [models[name].search, models[modelName()].search];
  const changes = Object.fromEntries(SLIDERS.map((id) => [id, Number($(id).value)]).filter(([id, value]) => value !== shown[id]));
  if ($("source_support").checked !== shown.source_support) changes.source_support = $("source_support").checked;
  if ($("risk").checked !== shown.risk_samples > 0) changes.risk_samples = $("risk").checked ? own.risk_samples || 16 : 0;
  if (changes.min_tokens > own.max_tokens) changes.max_tokens = changes.min_tokens;
  return changes;
}

async function summarize() {
  if ($("go").disabled) return; // one is being written
  const text = $("document").value;
  $("error").textContent = "";
  $("go").disabled = true;
  for (const id of ["words", "others", "detail", "status"]) $(id).replaceChildren();
  for (const id of ["source", "attention", "gates", "comparison"]) $(id).hidden = true;
  $("writing").textContent = "…";
  [$("result").hidden, $("hint").hidden] = [false, true];
  asked = { document: text, model: modelName() };
  try {
    await stream("api/summarize", { ...asked, search: search(), best: Number($("best").value) }, (event) => {
      if (event.writing !== undefined) $("writing").textContent = event.writing || "…";
      else showAnswer(event);
    });
  } catch (error) {
    $("result").hidden = true;
    fail(error);
  }
  $("writing").textContent = "";
  $("go").disabled = false;
}

function showAnswer(answer) {
  const { summaries, seconds, explanation: ofBest } = answer;
  $("writing").textContent = "";
  $("status").textContent = [`Written in ${seconds.toFixed(2)} s.`, ...remarks(answer, models[asked.model])].join(" ");
  const list = document.createElement("ol");
  const buttons = summaries.map(({ text, score, ids }, place) => {
    const [item, button, note] = ["li", "button", "small"].map((tag) => document.createElement(tag));
    button.type = "button";
    button.textContent = text || "(empty)";
    button.setAttribute("aria-current", place === 0);
    note.textContent = $("risk").checked ? ` expected ROUGE ${(100 * score).toFixed(1)}` : ` score ${score.toFixed(2)}`;
    button.addEventListener("click", async () => {
      try {
        showExplanation(await post("api/explain", { ...asked, ids }));
        buttons.forEach((other) => other.setAttribute("aria-current", other === button));
      } catch (error) {
        fail(error);
      }
    });
    item.append(button, note);
    list.append(item);
    return button;
  });
  if (summaries.length > 1) $("others").append(list);
  showExplanation(ofBest);
}

function showExplanation(found) {
  [explanation, word] = [found, null];
  showDocument($("text"), found.segments);
  showWords($("words"), found.words, (one) => {
    word = one;
    showWord();
  });
  $("detail").textContent = found.words.length ? "" : "The summary is empty.";
  for (const id of ["source", "attention", "gates"]) $(id).hidden = false;
  $("gates").hidden = !["bilstm", "lstm"].includes(models[asked.model].encoder);
  $("gates-map").replaceChildren();
  showAllSources();
  const numColumns = found.source_pieces.length;
  // As arguments of Math.max, the cells of a long summary of a long document are too many.
  const most = found.attention.flat().reduce((largest, weight) => Math.max(largest, weight), 0);
  heatMap($("attention-map"), {
    label: "Attention of each piece of the summary to each piece of the document",
    rows: found.pieces.map((piece, place) => (place === found.pieces.length - 1 ? "(end)" : piece.text.trim() || "␣")),
    numColumns,
    rowHeight: 20,
    values: found.attention.flat().map((weight) => weight / most),
    atDarkest: true,
    tell: (row, column) =>
      `“${found.pieces[row].text.trim()}” looked at “${found.source_pieces[column].trim()}”: ${(100 * found.attention[row][column]).toFixed(1)} %`,
    onCell: (_, column) => point($("text"), column),
  });
}

// Before a word is chosen, all places that words were copied from are tinted.
function showAllSources() {
  const weights = new Map();
  for (const { sources } of explanation.words) for (const [at, weight] of sources) weights.set(at, Math.max(weight, weights.get(at) ?? 0));
  tint($("text"), weights);
}

function showWord() {
  if (!word) return;
  const looked = document.querySelector("input[name=tint]:checked").value === "attention";
  tint($("text"), looked ? attentionOf(word, explanation.attention) : sourcesOf(word));
  $("detail").textContent = describe(word, explanation);
}

async function showGates() {
  try {
    const ask = { ...asked, gate: $("gate").value, direction: $("direction-row").hidden ? "ahead" : $("direction").value };
    const found = await post("api/gates", ask);
    const values = Array.from(atob(found.values), (byte) => byte.charCodeAt(0) / 255);
    const numColumns = found.source_pieces.length;
    heatMap($("gates-map"), {
      label: `Values of the ${ask.gate} gate`,
      numColumns,
      rowHeight: Math.max(2, Math.floor(256 / found.num_units)),
      values,
      tell: (row, column) => `${ask.gate} gate of unit ${row + 1} at “${found.source_pieces[column].trim()}”: ${values[row * numColumns + column].toFixed(2)}`,
      onCell: (_, column) => point($("text"), column),
    });
  } catch (error) {
    fail(error);
  }
}

async function start() {
  const about = await get("api/about");
  models = Object.fromEntries(about.models.map((model) => [model.name, model]));
  $("model").replaceChildren(...Object.keys(models).map((name) => new Option(name)));
  const isPair = "challenger" in models;
  [$("model-row").hidden, $("compare").hidden] = [!isPair, !isPair];
  useSettingsOf(modelName());
  setUpBatch(modelName, search);
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  summarize();
});
$("document").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("example").addEventListener("click", () => ($("document").value = EXAMPLE));
$("compare").addEventListener("click", async () => {
  $("error").textContent = "";
  $("compare").disabled = true;
  $("hint").hidden = true;
  await compare($("document").value, models, search).catch(fail);
  $("compare").disabled = false;
});
acceptFiles($("form"), $("file"), async (file) => {
  try {
    $("document").value = await textOf(file);
    $("error").textContent = "";
  } catch (error) {
    fail(error);
  }
});
$("model").addEventListener("change", () => useSettingsOf(modelName()));
for (const id of [...SLIDERS, "best"]) $(id).addEventListener("input", () => showSlider(id));
for (const choice of document.querySelectorAll("input[name=tint]")) choice.addEventListener("change", showWord);
$("show-gates").addEventListener("click", showGates);
// A file that misses the form would replace the page.
for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
start().catch(fail);
