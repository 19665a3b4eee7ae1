import { Cancelled, formatProblem, Problem, Problems, toProblemData } from '../base/problem';
import { checkCommand } from './checkCommand';
import { demoCommand } from './demoCommand';
import { engineCommand } from './engineCommand';
import { modelCommand } from './modelCommand';
import { packageVersion } from './packageVersion';
import { parseCommand, USAGE } from './parseCommand';
import { reportCommand } from './reportCommand';
import { resumeCommand, runCommand } from './runCommand';

/** 0: done; 1: a problem; 2: wrong use of the command line; 130: stopped on request, the run can be resumed. */
type ExitCode = 0 | 1 | 2 | 130;

async function main(argv: readonly string[]): Promise<ExitCode> {
  const command = parseCommand(argv);
  switch (command.name) {
    case 'help':
      console.log(USAGE);
      return 0;
    case 'version':
      console.log(packageVersion());
      return 0;
    case 'run':
      return (await runCommand(command)) === 'finished' ? 0 : 130;
    case 'resume':
      return (await resumeCommand(command)) === 'finished' ? 0 : 130;
    case 'demo':
      return (await demoCommand(command)) === 'finished' ? 0 : 130;
    case 'check':
      return checkCommand(command) ? 0 : 1;
    case 'report':
      reportCommand(command);
      return 0;
    case 'model':
      return (await modelCommand(command.action)) ? 0 : 1;
    case 'engine':
      return (await engineCommand(command)) ? 0 : 1;
  }
}

/** Everything that went wrong, on stderr: what, where, how to mend it. A bug of ours comes with its stack. */
function explain(error: unknown): ExitCode {
  if (error instanceof Cancelled) return 130;
  if (error instanceof Problems) {
    for (const problem of error.list) console.error(formatProblem(problem));
    return 1;
  }
  console.error(formatProblem(toProblemData(error)));
  if (error instanceof Problem) return error.data.code === 'usage' ? 2 : 1;
  console.error(error instanceof Error ? error.stack : error);
  console.error('This is a bug in Sparring; please report it with the lines above.');
  return 1;
}

main(process.argv.slice(2))
  .catch(explain)
  .then((code) => {
    // The engine's threads would keep the process alive.
    process.exit(code);
  });
