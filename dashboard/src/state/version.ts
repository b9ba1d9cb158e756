// A page is of one version, and so is the daemon. When they differ, the page was loaded before an upgrade and
// loads itself anew, once for each version, so that a stale cache cannot make it turn in circles.

const REMEMBERED = "reloaded-for";

export function ownVersion(): string | null {
  return document.querySelector<HTMLMetaElement>('meta[name="locald"]')?.content || null;
}

/** Load the page anew, unless that was tried for this version; whether it does. */
export function reloadFor(version: string): boolean {
  try {
    if (sessionStorage.getItem(REMEMBERED) === version) return false;
    sessionStorage.setItem(REMEMBERED, version);
  } catch {
    return false; // nothing can be remembered: the reader has to decide
  }
  location.reload();
  return true;
}
