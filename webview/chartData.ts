export interface Line {
  label: string;
  /** One value per x; null where there is none. */
  values: (number | null)[];
  /** Ends of an interval around each value, drawn as whiskers. */
  low?: (number | null)[];
  high?: (number | null)[];
}
export interface ChartData {
  /** Ascending. */
  x: number[];
  lines: Line[];
}
export interface ChartOptions {
  id: string;
  title: string;
  /** Name of the x axis. */
  x: string;
  /** One sentence: what the reader sees here. */
  note?: string;
  format: (value: number) => string;
  /** Fixed range of y; default: the data's. */
  range?: [number, number];
  /** The line of text for screen readers. */
  sentence: (data: ChartData) => string;
  table: boolean;
  onTable: (shown: boolean) => void;
}
