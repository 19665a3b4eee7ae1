import { execFileSync } from 'node:child_process';
import { cpus, totalmem, type } from 'node:os';

export interface Machine {
  processor: string;
  cores: number;
  memoryGB: number;
  system: string;
  node: string;
  threads: number;
  /** Fastest of twenty float32 products of 2048 x 2048 matrices in PyTorch, operations a second; undefined where there is no PyTorch. */
  sgemm?: number;
}

const SGEMM = `
import sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
def once():
    began = time.perf_counter(); a @ b
    return time.perf_counter() - began
print(2 * 2048 ** 3 / min(once() for _ in range(20)))
`;

/** What the figures were measured on. */
export async function describeMachine(python: string, threads: number): Promise<Machine> {
  let sgemm: number | undefined;
  try {
    sgemm = Number(execFileSync(python, ['-c', SGEMM, String(threads)], { encoding: 'utf8' }));
  } catch {
    console.error('no PyTorch: the products of this machine were not measured');
  }
  const memoryGB = Math.round(totalmem() / 2 ** 30);
  const [first] = cpus();
  return {
    processor: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGB,
    system: `${type()} ${process.arch}`,
    node: process.version,
    threads,
    sgemm,
  };
}
