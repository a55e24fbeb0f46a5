// A summary's words, and the document in which their sources are tinted.

const percent = (share) => `${Math.round(100 * share)} %`;
export const isCopied = (word) => word.copied >= 0.5;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// Fills `container` with words; arrow keys step through them. `onWord` is called with each word that is pointed at or focused.
export function showWords(container, words, onWord) {
  const buttons = words.map((word) => {
    const button = element("button", `word ${isCopied(word) ? "copied" : "generated"}`, word.text);
    button.type = "button";
    button.tabIndex = -1;
    button.setAttribute("aria-label", `${word.text}, ${isCopied(word) ? "copied" : "generated"}`);
    const point = () => {
      buttons.forEach((other) => other.classList.toggle("current", other === button));
      onWord(word);
    };
    button.addEventListener("focus", point);
    button.addEventListener("pointerenter", point);
    button.addEventListener("click", point);
    return button;
  });
  if (buttons.length) buttons[0].tabIndex = 0;
  container.replaceChildren(...buttons.flatMap((button) => [button, " "]));
  container.onkeydown = (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  };
}

// Fills `container` with words that are only to be read.
export function showPlainWords(container, words) {
  const spans = words.map((word) => element("span", `word ${isCopied(word) ? "copied" : "generated"}`, word.text));
  container.replaceChildren(...spans.flatMap((span) => [span, " "]));
}

// Fills `container` with the document's segments, [text, first, last] each.
export function showDocument(container, segments) {
  const wasRead = segments.findLastIndex(([, first, last]) => last > first);
  container.replaceChildren(
    ...segments.map(([text, first, last], place) => {
      const part = element("span", place > wasRead && text.trim() ? "unread" : "", text);
      part.dataset.first = first;
      part.dataset.last = last;
      return part;
    }),
  );
}

// Tints the document by `weights`, a Map of source positions to 0 to 1, and brings the strongest into view.
export function tint(container, weights) {
  let [strongest, most] = [null, 0];
  for (const part of container.children) {
    let weight = 0;
    for (let at = Number(part.dataset.first); at < Number(part.dataset.last); at++) weight = Math.max(weight, weights.get(at) ?? 0);
    part.style.setProperty("--weight", weight.toFixed(3));
    if (weight > most) [strongest, most] = [part, weight];
  }
  if (strongest) {
    const [top, height] = [strongest.offsetTop - container.offsetTop, container.clientHeight];
    if (top < container.scrollTop || top > container.scrollTop + height - 24) container.scrollTop = top - height / 2;
  }
}

// Outlines the piece at `position`; none for -1.
export function point(container, position) {
  for (const part of container.children) {
    part.classList.toggle("pointed", Number(part.dataset.first) <= position && position < Number(part.dataset.last));
  }
}

export const sourcesOf = (word) => new Map(word.sources);

// What the model looked at for a word: the mean attention of its pieces, the most set to 1.
export function attentionOf(word, attention) {
  const rows = attention.slice(word.first, word.last);
  const means = attention[0].map((_, at) => rows.reduce((sum, row) => sum + row[at], 0) / rows.length);
  const most = Math.max(...means);
  return new Map(means.map((mean, at) => [at, mean / most]));
}

// The sources of a word, those that follow each other taken together, the likeliest first.
function placesOf(word, { source_pieces: pieces }) {
  const places = [];
  for (const [at, weight] of [...word.sources].sort(([one], [other]) => one - other)) {
    const before = places.at(-1);
    if (before?.next === at) [before.text, before.weight, before.next] = [before.text + pieces[at], before.weight + weight, at + 1];
    else places.push({ text: pieces[at].trimStart(), weight, next: at + 1 });
  }
  return places.sort((one, other) => other.weight - one.weight);
}

export function describe(word, explanation) {
  const share = isCopied(word) ? `copied (${percent(word.copied)})` : `generated (${percent(1 - word.copied)})`;
  const places = placesOf(word, explanation).slice(0, 3).map(({ text, weight }) => `“${text}” ${percent(weight)}`);
  const from = places.length ? `; from ${places.join(", ")}` : word.in_document ? "" : "; its pieces do not stand in the document";
  return `${word.text}: ${share}, probability ${percent(word.probability)}${from}.`;
}

// What a person should know of an answer besides the summary, in sentences.
export function remarks({ truncated, foreign }, { max_source_tokens: mostRead }) {
  const found = [];
  if (truncated) found.push(`The model reads the first ${mostRead} pieces; what follows was not read.`);
  if (foreign) found.push("The text looks like a language or script that the model did not learn: expect no useful summary.");
  return found;
}
