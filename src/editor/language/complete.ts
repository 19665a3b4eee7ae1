import { Scope } from '../../base/scope';

export function complete(): Scope {
  return new Scope();
}
