import { execFile } from 'node:child_process';

const PROBE_SECONDS = 120;

/**
 * Runs a script in a process of its own, since a binary that does not fit can end a process without an error. Resolves to the object that
 * the script printed as JSON on the last line of its output; to one with `error` where it printed none. Never rejects.
 */
export function runProbe<Answer extends { error?: string }>(
  script: string,
  args: readonly string[],
  environment: { readonly [name: string]: string },
): Promise<Answer | { error: string }> {
  const env = { ...process.env, ...environment, ELECTRON_RUN_AS_NODE: '1' };
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['-e', script, ...args],
      { env, timeout: PROBE_SECONDS * 1000 },
      (failure, stdout, stderr) => {
        const line = stdout.trim().split('\n').pop() ?? '';
        if (line.startsWith('{')) return done(JSON.parse(line) as Answer);
        const why = failure?.killed
          ? `it did not answer within ${PROBE_SECONDS} seconds`
          : `its process ended with ${failure?.signal ?? `code ${failure?.code ?? 0}`}`;
        const said = stderr.trim().split('\n').pop();
        done({ error: said ? `${why}: ${said}` : why });
      },
    );
  });
}
