/** Channels from 0 to 255. */
export type Rgb = [number, number, number];

// WCAG 2.1, 1.4.11: graphical objects need 3:1 against what is beside them.
export const LEAST_CONTRAST = 3;

/** Relative luminance as WCAG 2.1 defines it. */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** The colour, moved towards the foreground until it is readable on the background. Some themes have charts in nearly unreadable brown. */
export function readable(color: Rgb, foreground: Rgb, background: Rgb): Rgb {
  for (let share = 0; share < 1; share += 0.1) {
    const mixed = color.map((channel, i) => Math.round(channel + (foreground[i]! - channel) * share)) as Rgb;
    if (contrast(mixed, background) >= LEAST_CONTRAST) return mixed;
  }
  return foreground;
}
