/**
 * Templates that print the date would make runs differ from day to day: for all of them it is 26 July 2024, noon, the date that Llama 3's
 * own template falls back on. `format` is strftime's; a directive that is not known here stays as it is.
 */
export function fixedDate(format: string): string {
  return format.replaceAll(/%(-?[a-zA-Z]|%)/g, (whole, directive: string) => DATE[directive] ?? whole);
}

const DATE: { readonly [directive: string]: string } = {
  '%': '%',
  Y: '2024',
  y: '24',
  m: '07',
  '-m': '7',
  d: '26',
  '-d': '26',
  e: '26',
  j: '208',
  b: 'Jul',
  h: 'Jul',
  B: 'July',
  a: 'Fri',
  A: 'Friday',
  u: '5',
  w: '5',
  H: '12',
  I: '12',
  p: 'PM',
  M: '00',
  S: '00',
  F: '2024-07-26',
  T: '12:00:00',
  D: '07/26/24',
};
