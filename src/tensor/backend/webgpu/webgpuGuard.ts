import * as tf from '@tensorflow/tfjs-core';
import { Problem } from '../../../base/problem';

/** What is used of the backend and of its device. */
interface Device {
  addEventListener(name: 'uncapturederror', listener: (event: { error: { message: string } }) => void): void;
  lost: Promise<{ reason?: string; message: string }>;
  destroy(): void;
}
interface Backend {
  device: Device;
  read(data: object): Promise<tf.BackendValues>;
  readSync(data: object): tf.BackendValues;
  tensorMap: { get(data: object): { values?: tf.BackendValues | null } };
}

/**
 * A device reports what went wrong (above all that memory is used up) as an event, and goes on with wrong values. From the first such event
 * on, every read of the current backend throws a Problem. The device is destroyed when the process ends, before its library is.
 */
export function guardDevice(): void {
  const backend = tf.backend() as unknown as Backend;
  const { device } = backend;
  let failure: string | undefined;
  let ended = false;
  device.addEventListener('uncapturederror', ({ error }) => {
    failure ??= error.message;
  });
  void device.lost.then(({ message }) => {
    if (!ended) failure ??= message;
  });
  process.once('exit', () => {
    ended = true;
    device.destroy();
  });
  // it would ask for a browser's canvas
  backend.readSync = (data) => {
    const { values } = backend.tensorMap.get(data);
    if (values) return values;
    throw new Error('the webgpu engine gives the values of a tensor to await tensor.data() only');
  };
  const read = backend.read.bind(backend);
  backend.read = async (data) => {
    const values = await read(data);
    if (failure === undefined) return values;
    const mend = /memory|buffer size/i.test(failure)
      ? 'Use smaller batches, shorter sequences or a smaller model, or another engine.'
      : 'Use another engine.';
    throw new Problem('engineDevice', `The webgpu engine's device failed: ${failure.split('\n')[0]} ${mend}`);
  };
}
