// A failure in one line, for a chat: the service, its status, the reason, the root cause, the next step.

import { phrase, standing } from "./standing";
import type { Why } from "./wire";

export function summary(why: Why): string {
  if (why.summary) return oneLine(why.summary); // the daemon knows the last line of output, too
  const told = [`${why.project}:${why.service} ${phrase(standing(why))}: ${why.because}`];
  const root = why.blockers.at(-1);
  if (root && !why.because.includes(root.because)) {
    told.push(`root cause: ${root.service} ${phrase(standing(root))}: ${root.because}`);
  }
  if (why.hints[0]) told.push(`hint: ${why.hints[0]}`);
  return oneLine(told.join(" — "));
}

/** Whatever a program said, it stays one line that can be pasted: no breaks, escapes or direction marks. */
function oneLine(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
    .slice(0, 2000);
}
