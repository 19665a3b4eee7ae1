import type { FromMonitor, ToMonitor } from '../src/protocol/panels';
import type { RunRecord } from '../src/records/record';
import type { RunView } from '../src/records/runView';

/** What the panel remembers over a reload; everything else comes again from the host. */
export interface PanelState {
  folder?: string;
  /** The reader agreed to see the texts of this run. */
  revealed?: boolean;
  metric?: string;
  onlyChanged?: boolean;
  /** Settings that the experiment file leaves to their defaults are listed too. */
  defaults?: boolean;
  /** Charts shown as tables, by id. */
  tables?: string[];
}
interface Api {
  postMessage(message: FromMonitor): void;
  getState(): PanelState | undefined;
  setState(state: PanelState): void;
}
declare function acquireVsCodeApi(): Api;
const api = acquireVsCodeApi();

export function send(message: FromMonitor): void {
  api.postMessage(message);
}

export function onMessage(receive: (message: ToMonitor<RunView, RunRecord>) => void): void {
  window.addEventListener('message', (event) => receive(event.data as ToMonitor<RunView, RunRecord>));
}

/** The remembered state. It may be empty: a page that was reloaded, not the window, has none. */
export function state(): PanelState {
  return api.getState() ?? {};
}

export function remember(change: PanelState): void {
  api.setState({ ...state(), ...change });
}
