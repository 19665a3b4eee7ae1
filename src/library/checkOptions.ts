import type { z } from 'zod';
import { Problem } from '../base/problem';
import { explain, pathText } from '../experiment/explain';

/** Options with their defaults. @throws Problem `options`, which says what is wrong with the first that is. */
export function checkOptions<Schema extends z.ZodType>(
  schema: Schema,
  options: unknown,
  name: string,
): z.output<Schema> {
  const checked = schema.safeParse(options);
  if (checked.success) return checked.data;
  const [first] = explain(checked.error.issues, options);
  throw new Problem('options', first ? `${pathText([name, ...first.at])}: ${first.message}` : `${name} is wrong.`);
}
