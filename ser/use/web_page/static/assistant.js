// Start the worker, and send it tasks.

import { Unusable, unloadable } from "./files.js";
import { Rejected } from "./rejected.js";

const ERRORS = { Rejected, Unusable };
const SCRIPT = JSON.stringify(new URL("worker.js", import.meta.url));
// The page's Content-Security-Policy applies to a worker made from a blob, not to one from a file.
const SOURCE = `import(${SCRIPT}).then(() => postMessage(true), () => postMessage(false))`;
// The shortest WebAssembly module.
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/**
 * Start the worker.
 *
 * @returns {Promise<(task: string, ...given: any[]) => Promise<any>>} runs one of worker.js' tasks
 * @throws {Unusable}
 */
export async function startWorker() {
  await requireWebAssembly();
  const worker = await open();
  return (task, ...given) =>
    new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data: { name, message, result } }) => {
        port1.close();
        if (name) reject(new (ERRORS[name] ?? Error)(message));
        else resolve(result);
      };
      worker.postMessage({ task, given }, [port2]);
    });
}

async function open() {
  const source = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
  let worker, isLoaded;
  try {
    worker = new Worker(source, { type: "module" });
    isLoaded = await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
    });
  } catch {
    throw new Unusable(
      "The recogniser cannot be started: this browser is too old, or the server's " +
        "Content-Security-Policy forbids its worker ('worker-src blob:').",
    );
  } finally {
    URL.revokeObjectURL(source);
  }
  if (!isLoaded) throw unloadable("worker.js (or a script that it imports)");
  return worker;
}

async function requireWebAssembly() {
  if (typeof WebAssembly !== "object") {
    throw new Unusable("This browser has no WebAssembly, which the recogniser needs: use a newer browser.");
  }
  try {
    await WebAssembly.compile(EMPTY_MODULE);
  } catch {
    throw new Unusable(
      "WebAssembly, which the recogniser needs, is forbidden here: the server's " +
        "Content-Security-Policy must allow 'wasm-unsafe-eval'.",
    );
  }
}
