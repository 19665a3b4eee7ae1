let bundle: { [message: string]: string } = {};

/** Takes the translations that the host put into the page; without them every text is English. */
export function readTranslations(): void {
  const json = document.getElementById('translations')?.textContent;
  if (json) bundle = JSON.parse(json) as { [message: string]: string };
}

/** The text in the reader's language, with {0}, {1} ... replaced. */
export function t(message: string, ...values: (string | number)[]): string {
  return (bundle[message] ?? message).replace(/\{(\d+)\}/g, (_, index) => String(values[Number(index)] ?? ''));
}

/** 0.6234 as '62 %', with a space that does not break; one decimal below 10 %. */
export function percent(value: number): string {
  const scaled = value * 100;
  return `${scaled > 0 && scaled < 10 && !Number.isInteger(scaled) ? scaled.toFixed(1) : Math.round(scaled)}\u00a0%`;
}

/** A number for people: three significant digits, no exponent where it can be avoided. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1000 || size < 0.001) return value.toExponential(2);
  return String(Number(value.toPrecision(3)));
}

/** Seconds for people, e.g. '45 s', '3 min 20 s', '2 h 5 min'. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return t('{0} s', whole);
  if (whole < 3600)
    return whole % 60 ? t('{0} min {1} s', Math.floor(whole / 60), whole % 60) : t('{0} min', whole / 60);
  return t('{0} h {1} min', Math.floor(whole / 3600), Math.floor((whole % 3600) / 60));
}
