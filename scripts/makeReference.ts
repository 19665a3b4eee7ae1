// Writes what is generated from the schema of experiment files: the reference page and the JSON Schema for editors.
import { join } from 'node:path';
import { writeAtomic } from '../src/base/files';
import { referencePage, schemaFile } from '../src/experiment/reference';

const root = join(__dirname, '..');
writeAtomic(join(root, 'docs/experiment-file.md'), referencePage());
writeAtomic(join(root, 'media/experiment.schema.json'), schemaFile());
