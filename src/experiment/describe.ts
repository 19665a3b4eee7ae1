import { expectation } from './explain';
import { alternatives, type JsonNode } from './jsonSchema';

/** Bounds of a number in words: `from 1`, `above 0`, `0 to 1`. Empty where there are none. */
export function rangeText(node: JsonNode): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = node;
  const low = minimum !== undefined ? `${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
  const high = maximum !== undefined ? `${maximum}` : exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : '';
  if (low && high) return `${low} to ${high}`;
  if (low) return minimum !== undefined ? `from ${low}` : low;
  return high ? `up to ${high}` : '';
}

/** What may stand there, with its bounds: `a whole number from 1`. */
export function kindText(node: JsonNode): string {
  const numbers = alternatives(node).filter((it) => it.type === 'number' || it.type === 'integer');
  const items = alternatives(node).flatMap((it) => (it.items?.type === 'number' ? [it.items] : []));
  const bounds = [...numbers, ...items].map(rangeText).find(Boolean);
  return `${expectation(node)}${bounds ? ` ${bounds}` : ''}`;
}

/** A default as the file would have it; undefined where there is none, or where it is a group whose settings have defaults of their own. */
export function defaultText(node: JsonNode): string | undefined {
  if (node.default === undefined) return undefined;
  if (typeof node.default === 'object' && node.default !== null && !Array.isArray(node.default)) return undefined;
  return typeof node.default === 'string' ? node.default : JSON.stringify(node.default);
}

/** Everything that the schema says of a setting, as Markdown. All of it is our own text. */
export function settingMarkdown(name: string, node: JsonNode): string {
  const lines = [`**${name}**: ${kindText(node)}`];
  if (node.description) lines.push('', node.description);
  const choices = Object.entries(node.values ?? {});
  if (choices.length > 0) lines.push('', ...choices.map(([value, effect]) => `- \`${value}\`: ${effect}`));
  const facts: string[] = [];
  if (node.unit) facts.push(`Unit: ${node.unit}.`);
  const fallback = defaultText(node);
  if (fallback !== undefined) facts.push(`Default: \`${fallback}\`.`);
  if (node.paper) facts.push(`Paper (arXiv 2405.15589): ${node.paper}.`);
  if (facts.length > 0) lines.push('', facts.join(' '));
  return lines.join('\n');
}
