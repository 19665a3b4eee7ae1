const LONGEST = 60;

/** A name out of an untrusted file for a message: as it is where it is plain, else quoted, short, and without control characters. */
export function shownName(name: string): string {
  if (/^[\w.-]+$/.test(name) && name.length <= 2 * LONGEST) return name;
  const text = JSON.stringify(name.length > LONGEST ? `${name.slice(0, LONGEST)}...` : name);
  // JSON escapes C0 alone; DEL, C1 and signs that turn the direction of writing would reach a terminal.
  return text.replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A value of untrusted JSON for a message. Lists and objects inside are not entered: they may be as deep as the file is long. */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return shownName(value);
  if (Array.isArray(value))
    return value.length <= 8 && value.every((item) => typeof item !== 'object' || item === null)
      ? `[${value.map(shownValue).join(',')}]`
      : 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
