// Page and daemon have the same version. When they differ, the page was loaded before an upgrade and reloads
// itself, once for each version, so that a stale cache cannot make it reload without end.

const REMEMBERED = "reloaded-for";

export function ownVersion(): string | null {
  return document.querySelector<HTMLMetaElement>('meta[name="locald"]')?.content || null;
}

/** Reload the page, unless that was tried for this version; whether it does. */
export function reloadFor(version: string): boolean {
  try {
    if (sessionStorage.getItem(REMEMBERED) === version) return false;
    sessionStorage.setItem(REMEMBERED, version);
  } catch {
    return false; // nothing can be stored: the user has to decide
  }
  location.reload();
  return true;
}
