import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDivider,
  vsCodeDropdown,
  vsCodeLink,
  vsCodeOption,
} from '@vscode/webview-ui-toolkit';
import { element } from './element';

// The only file that knows the toolkit. It is deprecated upstream: to leave it, rewrite this file and nothing else.
// Left out on purpose: badge and tag break the CSP, progress-ring talks to screen readers all the time, data-grid is no real table.
provideVSCodeDesignSystem().register(
  vsCodeButton(),
  vsCodeCheckbox(),
  vsCodeDivider(),
  vsCodeDropdown(),
  vsCodeLink(),
  vsCodeOption(),
);

function make(tag: string, text = ''): HTMLElement {
  const it = document.createElement(tag);
  it.textContent = text;
  return it;
}

export function button(text: string, onClick: () => void, appearance: 'primary' | 'secondary' = 'secondary') {
  const it = make('vscode-button', text);
  it.setAttribute('appearance', appearance);
  it.addEventListener('click', onClick);
  return it;
}

export function checkbox(text: string, checked: boolean, onChange: (checked: boolean) => void): HTMLElement {
  const it = make('vscode-checkbox', text);
  if (checked) it.setAttribute('checked', '');
  it.addEventListener('change', () => onChange((it as HTMLElement & { checked: boolean }).checked));
  return it;
}

export interface Choice {
  value: string;
  text: string;
}

/** A labelled list of choices; `value` is chosen at the start (the toolkit shows nothing otherwise). */
export function dropdown(
  label: string,
  choices: readonly Choice[],
  value: string,
  onChange: (value: string) => void,
): HTMLElement {
  const it = make('vscode-dropdown');
  it.setAttribute('aria-label', label);
  for (const choice of choices) {
    const option = make('vscode-option', choice.text);
    option.setAttribute('value', choice.value);
    if (choice.value === value) option.setAttribute('selected', '');
    it.append(option);
  }
  it.addEventListener('change', () => onChange((it as HTMLElement & { value: string }).value));
  return element('span', { class: 'field' }, element('span', { 'aria-hidden': 'true' }, label), it);
}

/** A link that acts instead of leading away: the event stays here, or VS Code would scroll to the top. */
export function link(text: string, label: string, onClick: () => void): HTMLElement {
  const it = make('vscode-link', text);
  it.setAttribute('href', '#');
  it.setAttribute('aria-label', label);
  it.addEventListener('click', (event) => {
    event.preventDefault();
    event.stopPropagation();
    onClick();
  });
  return it;
}

export function divider(): HTMLElement {
  return make('vscode-divider');
}
