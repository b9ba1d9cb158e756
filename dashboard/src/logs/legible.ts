// A program that writes pale yellow assumes a black terminal. On paper of another lightness its colour is
// moved towards black or white until it can be read (WCAG 2.2, contrast of text), keeping its hue.

import type { Rgb } from "./ansi";

const ENOUGH = 4.5;

export function legible(ink: Rgb, paper: Rgb): Rgb {
  const towards: Rgb = luminance(paper) > 0.4 ? [0, 0, 0] : [255, 255, 255];
  for (let part = 0; part <= 1; part += 0.1) {
    const mixed = mix(ink, towards, part);
    if (contrast(mixed, paper) >= ENOUGH) return mixed;
  }
  return towards;
}

export function contrast(one: Rgb, other: Rgb): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function mix(from: Rgb, to: Rgb, part: number): Rgb {
  const at = (i: 0 | 1 | 2) => Math.round(from[i] + (to[i] - from[i]) * part);
  return [at(0), at(1), at(2)];
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
