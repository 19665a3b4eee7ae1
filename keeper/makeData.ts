import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { corpusTexts, makeCorpus } from './corpus';
import { makeDataFiles, type Row } from './dataFiles';
import { tokenizerFiles, trainBpe } from './trainTokenizer';
import { makeWorld } from './world';

export const KEEPER_FOLDER = path.join(__dirname, '../media/keeper');
export const VOCABULARY_SIZE = 960;
export const MAX_POSITIONS = 256;

export const toJsonLines = (rows: readonly Row[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Every file of the Keeper's folder that needs no training, by its path in the folder. */
export function makeFiles(): { readonly [file: string]: string } {
  const world = makeWorld();
  const { tokenizer, config } = tokenizerFiles(
    trainBpe(corpusTexts(makeCorpus(world)), VOCABULARY_SIZE),
    MAX_POSITIONS,
  );
  const data = Object.entries(makeDataFiles(world)).map(([file, rows]) => [`data/${file}`, toJsonLines(rows)]);
  return {
    ...Object.fromEntries(data),
    'tokenizer.json': `${JSON.stringify(tokenizer, null, 1)}\n`,
    'tokenizer_config.json': `${JSON.stringify(config, null, 1)}\n`,
  };
}

export function writeFiles(folder: string, files: { readonly [file: string]: string }): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), text);
  }
}

if (require.main === module) writeFiles(KEEPER_FOLDER, makeFiles());
