// Keyboard shortcuts. Each view registers its own while it is shown, so the list that `?` opens is always true.
// A key belongs to the view that came last. Keys do nothing in a text field, with a modifier, or when the user
// has turned them off (speech input is full of single letters).

import { untrack } from "svelte";
import { remember, remembered } from "./remembered";

export interface Shortcut {
  keys: string[];
  label: string;
  run: (event: KeyboardEvent) => void;
}
export interface Group {
  title: string;
  list: Shortcut[];
}

export class Shortcuts {
  groups = $state.raw<Group[]>([]);
  on = $state(remembered("keys") !== "off");

  /** Returns a function that removes them. */
  add(title: string, list: Shortcut[]): () => void {
    const group = { title, list };
    this.groups = [...untrack(() => this.groups), group];
    return () => {
      this.groups = untrack(() => this.groups).filter((one) => one !== group);
    };
  }

  turn(on: boolean): void {
    this.on = on;
    remember("keys", on ? "on" : "off");
  }

  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || isWriting(event.target)) return;
    if (!this.on && event.key !== "Escape") return;
    for (const group of this.groups.toReversed()) {
      const found = group.list.find((one) => one.keys.includes(event.key));
      if (!found) continue;
      event.preventDefault();
      found.run(event);
      return;
    }
  }
}

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement) return true;
  if (target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(target.type);
}
