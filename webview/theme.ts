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

type Rgb = [number, number, number];
const NAMES = ['blue', 'orange', 'green', 'purple', 'red', 'yellow'];
// WCAG 2.1, 1.4.11: graphical objects need 3:1 against what is beside them.
const LEAST_CONTRAST = 3;

function parseColor(color: string, canvas: CanvasRenderingContext2D): Rgb {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

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

export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const value = (name: string, other: string) => style.getPropertyValue(name).trim() || other;
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const foreground = value('--vscode-editor-foreground', style.color);
  const background = value('--vscode-editor-background', '#ffffff');
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
    grid: value('--vscode-editorIndentGuide-background1', value('--vscode-editorWidget-border', foreground)),
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
