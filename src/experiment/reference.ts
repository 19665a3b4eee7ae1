import { defaultText, kindText } from './describe';
import { alternatives, experimentJsonSchema, type JsonNode } from './jsonSchema';

const INTRO = `# The experiment file

*Generated from src/experiment by \`npm run make-reference\`; a test keeps it up to date.*

An experiment is one file, \`NAME.sparring.yaml\` or \`NAME.sparring.json\`: a model, a method, data, and what is measured. It is data: nothing in
it names code or a command. Paths are relative to the file; \`builtin:keeper\` and \`builtin:keeper/data/...\` lie in what ships with Sparring.
Every setting not given has the default below, which is the paper's (arXiv 2405.15589) or its released code's where they have one.

\`\`\`yaml
model: builtin:keeper
method: cat # short for { name: cat }
data:
  adversarial: { file: builtin:keeper/data/adversarial.jsonl }
  utility: { file: builtin:keeper/data/utility.jsonl }
evaluation:
  attacks:
    - { name: embedding, file: builtin:keeper/data/heldOutAttacks.jsonl, epsilon: [0.1, 0.3] }
\`\`\`

\`sparring check FILE\` says what is wrong with a file: each problem with its line, its column and how to mend it.
`;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function effect(node: JsonNode): string {
  const values = Object.entries(node.values ?? {}).map(([value, text]) => `\`${value}\`: ${text}`);
  const parts = [node.description ?? ''];
  if (values.length > 0) parts.push(`${values.join('; ')}.`);
  return parts.filter(Boolean).join(' ');
}

function row(name: string, node: JsonNode, required: boolean): string {
  const fallback = required ? 'needed' : (defaultText(node) ?? '');
  const standard = fallback === '' || required ? fallback : `\`${fallback}\``;
  return `| \`${name}\` | ${cell(kindText(node))} | ${standard} | ${cell(node.unit ?? '')} | ${cell(effect(node))} | ${cell(node.paper ?? '')} |`;
}

const isGroup = (node: JsonNode): boolean => node.properties !== undefined;

/** The groups below a node that get a table of their own: objects, entries of lists, and each kind of a tagged union. */
function groupsOf(path: string, node: JsonNode): { title: string; node: JsonNode }[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const inner = path === '' ? name : `${path}.${name}`;
    const kinds = alternatives(child).filter((it) => isGroup(it) && it.properties?.name?.const !== undefined);
    if (kinds.length > 0)
      return kinds.map((it) => ({ title: `${inner}, name: ${String(it.properties?.name?.const)}`, node: it }));
    if (isGroup(child)) return [{ title: inner, node: child }, ...groupsOf(inner, child)];
    return child.items && isGroup(child.items)
      ? [{ title: `${inner} (each entry)`, node: { ...child.items, description: child.description } }]
      : [];
  });
}

function section(title: string, node: JsonNode): string {
  const text = node.description ?? node.properties?.name?.description;
  const paper = node.properties?.name?.paper;
  const rows = Object.entries(node.properties ?? {}).map(([name, child]) =>
    row(name, child, node.required?.includes(name) ?? false),
  );
  return [
    `## ${title}`,
    '',
    ...(text ? [`${text}${paper ? ` Paper: ${paper}.` : ''}`, ''] : []),
    '| setting | value | default | unit | effect | paper |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** docs/experiment-file.md: every setting with its value, default, unit, effect and the paper's value. */
export function referencePage(): string {
  const schema = experimentJsonSchema();
  // the rates of the evaluation have the same settings: one table for all of them
  const groups = groupsOf('', schema);
  const rates = groups.filter((it) => /^evaluation\.[a-zA-Z]+$/.test(it.title));
  const first = rates[0];
  const others = groups.filter((it) => !rates.includes(it));
  const joined = first
    ? [
        {
          title: `evaluation: ${rates.map((it) => it.title.slice('evaluation.'.length)).join(', ')}`,
          node: { ...first.node, description: 'Each of these rates is measured on rows of its own.' },
        },
      ]
    : [];
  const checkpoints = others.filter((it) => it.title === 'checkpoints');
  const rest = others.filter((it) => it.title !== 'checkpoints');
  const sections = [{ title: 'The file', node: schema }, ...rest, ...joined, ...checkpoints];
  return `${INTRO}\n${sections.map((it) => section(it.title, it.node)).join('\n')}`;
}

/** media/experiment.schema.json: for editors that complete and check JSON and YAML by a schema. */
export function schemaFile(): string {
  return `${JSON.stringify(experimentJsonSchema(), null, 2)}\n`;
}
