// Preferences, stored by the browser; where it stores nothing, for as long as the page is open.

type Name = "theme" | "keys" | "wrap";

export function remembered(name: Name): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name: Name, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then not.
  }
}
