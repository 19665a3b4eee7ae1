import { type Rgb, readable } from './contrast';

/** What a chart needs to know of the theme; a canvas does not follow CSS variables by itself. */
export interface Theme {
  foreground: string;
  muted: string;
  grid: string;
  background: string;
  font: string;
  /** Colours of series, each readable on the background. */
  series: string[];
}

const NAMES = ['blue', 'orange', 'green', 'purple', 'red', 'yellow'];

function parseColor(color: string, canvas: CanvasRenderingContext2D): Rgb {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const value = (name: string, other: string) => style.getPropertyValue(name).trim() || other;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const foreground = value('--vscode-editor-foreground', style.color);
  const background = value('--vscode-editor-background', '#ffffff');
  // Grid lines are for the eye to follow, not to read: the same faint line in every theme, high contrast too.
  const faint = (of: string): string =>
    canvas ? `rgba(${parseColor(of, canvas).join(', ')}, 0.15)` : value('--vscode-editorWidget-border', of);
  const color = (name: string): string => {
    const wanted = value(`--vscode-charts-${name}`, foreground);
    if (!canvas) return wanted;
    const rgb = [wanted, foreground, background].map((it) => parseColor(it, canvas)) as [Rgb, Rgb, Rgb];
    return `rgb(${readable(...rgb).join(', ')})`;
  };
  return {
    foreground,
    background,
    muted: value('--vscode-descriptionForeground', foreground),
    grid: faint(foreground),
    font: `11px ${value('--vscode-font-family', 'sans-serif')}`,
    series: NAMES.map(color),
  };
}

/** Calls back whenever VS Code changes the theme. */
export function onThemeChange(changed: () => void): void {
  new MutationObserver(changed).observe(document.body, {
    attributes: true,
    attributeFilter: ['class', 'data-vscode-theme-id'],
  });
}
