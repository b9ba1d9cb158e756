// What all views share.

import { createContext } from "svelte";
import type { Acting } from "./acting.svelte";
import type { Page } from "./page.svelte";
import type { Shortcuts } from "./shortcuts.svelte";

export interface Shared {
  page: Page;
  acting: Acting;
  shortcuts: Shortcuts;
}

export const [shared, share] = createContext<Shared>();
