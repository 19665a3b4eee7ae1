import { Scope } from '../../base/scope';

export function hover(): Scope {
  return new Scope();
}
