import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a program says when it has loaded its model. `load`: seconds. */
export interface Ready {
  version: string;
  load: number;
}

/** What a program says of one request. `peak`: most resident memory while it worked, MB. */
export interface Answer {
  seconds: number;
  losses: { [name: string]: number };
  peak: number | null;
  /** Functions compiled so far, and why some were not. */
  recorded?: number;
  refused?: string[];
}

/** A program of the benchmark, running: bench/engine.ts or one of bench/pytorch. */
export class Program {
  private readonly lines: AsyncIterator<string>;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcessWithoutNullStreams,
  ) {
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error with what the program wrote, where it does not start. */
  static async start(name: string, command: readonly string[]): Promise<{ program: Program; ready: Ready }> {
    const [file = '', ...args] = command;
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (part: Buffer) => {
      said = (said + part.toString()).slice(-2000);
    });
    const program = new Program(name, child);
    const failed = new Promise<never>((_done, fail) => {
      child.once('error', fail);
      child.once('exit', (code) => fail(new Error(`${name} ended with ${code}: ${said.trim()}`)));
    });
    failed.catch(() => undefined);
    program.failed = failed;
    const ready = (await program.next()) as Ready;
    return { program, ready };
  }

  private failed: Promise<never> | undefined;

  private async next(): Promise<unknown> {
    const line = async (): Promise<unknown> => {
      for (;;) {
        const { value, done } = await this.lines.next();
        if (done) return new Promise(() => undefined); // its end is reported
        // Libraries print what they like.
        if (value.startsWith('{')) return JSON.parse(value);
      }
    };
    return Promise.race([line(), this.failed as Promise<never>]);
  }

  /** undefined where the program does not have the task. */
  async ask(request: object): Promise<Answer | undefined> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = (await this.next()) as Answer & { unsupported?: true };
    return answer.unsupported ? undefined : answer;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((done) => this.child.once('exit', done));
    this.child.stdin.end();
    this.child.kill();
    await ended;
  }
}
