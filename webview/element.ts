export type Child = Node | string | number | undefined | false;
type Attributes = { [name: string]: string | number | boolean | undefined };

function fill<E extends Element>(it: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) it.setAttribute(name, value === true ? '' : String(value));
  for (const child of children)
    if (child !== undefined && child !== false) it.append(typeof child === 'number' ? String(child) : child);
  return it;
}

/** A new element. Text children become text nodes, never markup; there is no other way to make elements here. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svgElement<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}
