// The search of the documentation: `/` or a click, some words, and a list of the sections that have them all.
//
// search.json is fetched when the search is first used. A word counts wherever it stands, and for more at the
// beginning of a word, and in a heading. Without this script the form leads to search.html, which lists every
// section. What comes from the pages is only ever set as text.

const MOST = 12;
const form = document.querySelector("form[role=search]");
const input = form.querySelector("input");
const panel = form.querySelector(".found");
const [status, list] = [panel.querySelector("[role=status]"), panel.querySelector("ol")];
const root = new URL(".", form.action);
let loading;

/** Every section: its page, heading, url and text. */
function sections() {
  loading ??= fetch(new URL("search.json", root)).then((answer) => answer.json());
  return loading;
}

const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
const wordsOf = (query) => query.toLowerCase().split(/\s+/).filter(Boolean);

/** What tells how much a text is about a word: 0, 1, or 2 where the word stands at the beginning of one. */
function measureOf(word) {
  const start = new RegExp(`(?<![\\p{L}\\p{N}])${escaped(word)}`, "iu");
  return (text) => text.toLowerCase().includes(word) + start.test(text);
}

/** How well a section fits: 0 when one of the words is nowhere, most when its heading is what was asked for. */
function rank(section, words, measures) {
  const page = section.page === section.heading ? "" : section.page;
  const ranks = measures.map((of) => 12 * of(section.heading) + 4 * of(page) + of(section.text));
  const exact = section.heading.toLowerCase() === words.join(" ") ? 20 : 0;
  return ranks.every(Boolean) ? ranks.reduce((sum, one) => sum + one, exact) : 0;
}

/** The best sections, best first; those that fit alike in the order of the documentation. */
function find(all, words) {
  const measures = words.map(measureOf);
  const ranked = all.map((section) => ({ section, rank: rank(section, words, measures) }));
  return ranked.filter((one) => one.rank).sort((one, other) => other.rank - one.rank).map((one) => one.section);
}

/** The text around the first word, with each of the words marked. */
function excerpt(text, words) {
  const places = words.map((word) => text.toLowerCase().indexOf(word)).filter((at) => at >= 0);
  const from = places.length ? Math.max(0, text.lastIndexOf(" ", Math.min(...places) - 30) + 1) : 0;
  const end = text.length > from + 150 ? text.lastIndexOf(" ", from + 150) : text.length;
  const piece = (from ? "… " : "") + text.slice(from, end) + (end < text.length ? " …" : "");
  return piece.split(new RegExp(`(${words.map(escaped).join("|")})`, "i")).map(marked);
}

/** Every second piece of such a split is a word that was looked for. */
const marked = (piece, at) => (at % 2 ? element("mark", piece) : piece);

function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

function entry(section, words) {
  const link = element("a", element("strong", section.heading));
  if (section.page !== section.heading) link.append(element("small", section.page));
  link.append(element("span", ...excerpt(section.text, words)));
  link.href = new URL(section.url, root);
  return element("li", link);
}

async function show() {
  const query = input.value;
  const words = wordsOf(query);
  const found = words.length ? await sections().then((all) => find(all, words), () => null) : [];
  if (input.value !== query) return; // somebody has typed on meanwhile
  list.replaceChildren(...(found ?? []).slice(0, MOST).map((section) => entry(section, words)));
  status.textContent = found ? counted(found.length) : "The index cannot be loaded: search needs a web server.";
  panel.hidden = !words.length;
}

function counted(number) {
  if (!number) return "No section has all these words.";
  return number > MOST ? `The first ${MOST} of ${number} sections` : `${number} section${number === 1 ? "" : "s"}`;
}

/** The arrows go through the input and the links, round and round. */
function move(step) {
  const stops = [input, ...list.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  stops[(at + step + stops.length) % stops.length].focus();
}

function close() {
  input.value = "";
  panel.hidden = true;
  input.blur();
}

const KEYS = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Escape: close };

form.addEventListener("keydown", (event) => {
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await show();
  list.querySelector("a")?.click();
});

form.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !form.contains(event.relatedTarget)) panel.hidden = true;
});

list.addEventListener("click", () => (panel.hidden = true)); // a link may lead to this very page

document.addEventListener("pointerdown", (event) => {
  if (!form.contains(event.target)) panel.hidden = true;
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, [contenteditable]");
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  input.focus();
  input.select();
});

input.addEventListener("input", show);
input.addEventListener("focus", show);
