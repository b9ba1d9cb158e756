// A line as a terminal would colour it: text and the styles of its parts (SGR, ECMA-48; 16, 256 and true
// colours). Every other escape sequence is left out. Other control characters are shown as their pictures, also
// those that turn the direction of text by force: writing that runs from right to left needs none. Of what
// overwrote itself with carriage returns the last is shown. What comes out is only ever text and numbers: nothing
// of a line can become markup.

export interface Style {
  /** 0-15: a colour of the palette; [r, g, b]: this very one */
  ink?: number | Rgb;
  paper?: number | Rgb;
  bold?: true;
  faint?: true;
  italic?: true;
  underline?: true;
  inverse?: true;
  strike?: true;
}
export type Rgb = readonly [number, number, number];
export interface Span {
  text: string;
  style: Style | null;
}

// CSI, OSC and other strings (ended by BEL or ST), two-character escapes; then C1 CSI.
const ESCAPES =
  // eslint-disable-next-line no-control-regex
  /\u001b\[[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|\u001b[ -/]*[0-Z\\-~]|\u009b[0-?]*[ -/]*[@-~]|\u001b\[?[0-?]*$/g;
const SGR = /^(?:\u001b\[|\u009b)([\d;:]*)m$/;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202d\u202e]/g;
const SPECIAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202d\u202e]/;

/** The text without any escape sequence: what is searched and copied. */
export function plain(line: string): string {
  return SPECIAL.test(line) ? pictures(last(line.replace(ESCAPES, ""))) : line;
}

export function spans(line: string): Span[] {
  if (!SPECIAL.test(line)) return line ? [{ text: line, style: null }] : [];
  const found: Span[] = [];
  let style: Style | null = null;
  let from = 0;
  for (const escape of line.matchAll(ESCAPES)) {
    push(found, line.slice(from, escape.index), style);
    from = escape.index + escape[0].length;
    const codes = SGR.exec(escape[0]);
    if (codes) style = styled(style, codes[1] ?? "");
  }
  push(found, line.slice(from), style);
  return shown(found);
}

function push(found: Span[], text: string, style: Style | null): void {
  if (text) found.push({ text, style });
}

/** Carriage returns act over the whole line, so they are looked for across its spans. */
function shown(found: Span[]): Span[] {
  const text = found.map((span) => span.text).join("");
  const kept = last(text);
  let skip = text.length - (text.endsWith("\r") ? trailing(text) : 0) - kept.length;
  let room = kept.length;
  const result: Span[] = [];
  for (const span of found) {
    const start = Math.min(skip, span.text.length);
    const part = span.text.slice(start, start + room);
    skip -= start;
    room -= part.length;
    if (part) result.push({ text: pictures(part), style: span.style });
  }
  return result;
}

/** What is left on the screen of `10%\r50%\r100%`. */
function last(text: string): string {
  const end = text.length - trailing(text);
  return text.slice(text.lastIndexOf("\r", end - 1) + 1, end);
}

function trailing(text: string): number {
  let count = 0;
  while (count < text.length && text[text.length - 1 - count] === "\r") count++;
  return count;
}

function pictures(text: string): string {
  return text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0);
    if (code === 0x7f) return "\u2421";
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

function styled(before: Style | null, parameters: string): Style | null {
  // `38:2::1:2:3` is one parameter with parts, `38;2;1;2;3` are five: both are in use.
  const codes = parameters.split(";").map((part) => (part.includes(":") ? part : Number(part || 0)));
  let style: Style = { ...before };
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (typeof code === "string") applyParts(style, code);
    else if (code === 38 || code === 48) i += extended(style, code, codes.slice(i + 1).map(Number));
    else style = simple(style, code);
  }
  return Object.keys(style).length ? style : null;
}

function applyParts(style: Style, parameter: string): void {
  const [code = 0, kind = 0, ...rest] = parameter.split(":").map(Number);
  if (code === 4 && kind > 0) style.underline = true;
  else if (code === 4) delete style.underline;
  else if (kind === 2) extended(style, code, [2, ...rest.slice(-3)]);
  else extended(style, code, [kind, ...rest]);
}

/** Returns how many further codes were taken. */
function extended(style: Style, code: number, rest: number[]): number {
  const place = code === 38 ? "ink" : code === 48 ? "paper" : null;
  const [kind, first = 0, second = 0, third = 0] = rest;
  if (kind === 5) {
    if (place) style[place] = indexed(byte(first));
    return 2;
  }
  if (kind === 2) {
    if (place) style[place] = [byte(first), byte(second), byte(third)];
    return 4;
  }
  return 1;
}

function simple(style: Style, code: number): Style {
  if (code === 0) return {};
  const next = { ...style };
  if (code === 1) next.bold = true;
  else if (code === 2) next.faint = true;
  else if (code === 3) next.italic = true;
  else if (code === 4 || code === 21) next.underline = true;
  else if (code === 7) next.inverse = true;
  else if (code === 9) next.strike = true;
  else if (code === 22) drop(next, "bold", "faint");
  else if (code === 23) drop(next, "italic");
  else if (code === 24) drop(next, "underline");
  else if (code === 27) drop(next, "inverse");
  else if (code === 29) drop(next, "strike");
  else if (code >= 30 && code <= 37) next.ink = code - 30;
  else if (code === 39) drop(next, "ink");
  else if (code >= 40 && code <= 47) next.paper = code - 40;
  else if (code === 49) drop(next, "paper");
  else if (code >= 90 && code <= 97) next.ink = code - 82;
  else if (code >= 100 && code <= 107) next.paper = code - 92;
  return next;
}

function drop(style: Style, ...names: (keyof Style)[]): void {
  for (const name of names) delete style[name];
}

function byte(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.trunc(value), 0), 255) : 0;
}

const STEPS = [0, 95, 135, 175, 215, 255];

/** xterm's 256 colours: the palette, a cube of 6³, 24 greys. */
function indexed(index: number): number | Rgb {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return [grey, grey, grey];
  }
  const cube = index - 16;
  const step = (value: number) => STEPS[value % 6] ?? 0;
  return [step(Math.floor(cube / 36)), step(Math.floor(cube / 6)), step(cube)];
}
