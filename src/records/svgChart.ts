import { keepPeaks } from './series';

/** Text inside HTML or SVG, attributes included. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

export interface Line {
  label: string;
  points: readonly { x: number; y: number; low?: number; high?: number }[];
}

export interface Chart {
  title: string;
  x: string;
  y: string;
  lines: readonly Line[];
  /** Bounds of the y axis; default: those of the data. */
  yBounds?: readonly [number, number];
}

const WIDTH = 720;
const HEIGHT = 260;
const LEFT = 56;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 40;
const DRAWN = 800;

/** About five round numbers from `low` to `high`. */
export function ticks(low: number, high: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((it) => it * power >= rough) ?? 10) * power;
  const found: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
const px = (value: number): string => value.toFixed(1);

/** The dash of line number i: lines differ without colour, too. */
const DASHES = ['', '6 3', '2 3', '8 3 2 3', '1 4', '10 4'] as const;

/** A line chart as SVG text with the classes c0, c1 ... for its lines; whiskers where points have an interval. Empty where there is nothing to draw. */
export function svgChart({ title, x, y, lines, yBounds }: Chart): string {
  const drawn = lines
    .map((line, i) => ({
      ...line,
      i,
      points: line.points.filter((it) => Number.isFinite(it.x) && Number.isFinite(it.y)),
    }))
    .filter((line) => line.points.length > 0);
  const all = drawn.flatMap((line) => line.points);
  if (all.length === 0) return '';
  const bounds = (values: readonly number[]): [number, number] => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  };
  const [x0, x1] = bounds(all.map((it) => it.x));
  const [y0, y1] = yBounds ?? bounds(all.map((it) => it.y));
  const sx = (value: number): number => LEFT + ((value - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const sy = (value: number): number => HEIGHT - BOTTOM - ((value - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);

  const parts: string[] = [];
  for (const tick of ticks(y0, y1))
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${px(sy(tick))}" y2="${px(sy(tick))}"/>`,
      `<text x="${LEFT - 6}" y="${px(sy(tick) + 4)}" text-anchor="end">${short(tick)}</text>`,
    );
  for (const tick of ticks(x0, x1))
    parts.push(`<text x="${px(sx(tick))}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${short(tick)}</text>`);
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">${escapeHtml(x)}</text>`,
    `<text transform="translate(14 ${(HEIGHT - BOTTOM + TOP) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(y)}</text>`,
  );
  for (const { points, i } of drawn) {
    const kept = keepPeaks(
      points.map((it) => it.y),
      DRAWN,
    )
      .map((at) => points[at])
      .filter((it) => it !== undefined);
    // intervals at the same step stand side by side
    const aside = kept.some((it) => it.low !== undefined) ? (i - (drawn.length - 1) / 2) * 4 : 0;
    const path = kept.map((it) => `${px(sx(it.x) + aside)},${px(sy(it.y))}`).join(' ');
    parts.push(`<polyline class="line c${i}" points="${path}" stroke-dasharray="${DASHES[i % DASHES.length]}"/>`);
    if (kept.length <= 30)
      for (const it of kept) {
        if (it.low !== undefined && it.high !== undefined)
          parts.push(
            `<line class="line c${i}" x1="${px(sx(it.x) + aside)}" x2="${px(sx(it.x) + aside)}" y1="${px(sy(it.low))}" y2="${px(sy(it.high))}"/>`,
          );
        parts.push(`<circle class="dot c${i}" cx="${px(sx(it.x) + aside)}" cy="${px(sy(it.y))}" r="2.5"/>`);
      }
  }
  const legend = drawn
    .map(
      ({ label, i }) =>
        `<span class="key"><svg width="26" height="8" aria-hidden="true"><line class="line c${i}" x1="0" x2="26" y1="4" y2="4" stroke-dasharray="${DASHES[i % DASHES.length]}"/></svg> ${escapeHtml(label)}</span>`,
    )
    .join(' ');
  return [
    `<figure><figcaption>${escapeHtml(title)}</figcaption>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(`${title}: ${drawn.map((it) => it.label).join(', ')}`)}">`,
    ...parts,
    '</svg>',
    `<div class="legend">${legend}</div></figure>`,
  ].join('\n');
}
