// Run the two nets, the model and Silero VAD, with onnxruntime-web in WebAssembly.

import { damaged, fetchBytes, unloadable } from "./files.js";

const CHUNK = 512; // samples per input of Silero VAD
// Part of onnxruntime-web's error message if its own runtime cannot start.
const NO_RUNTIME = "no available backend";

/**
 * Load both nets.
 *
 * @param {boolean} learned whether the model learned arousal or valence
 * @returns {Promise<{recognise: Function, detect: Function}>} recognise: a waveform -> its
 *   probabilities and dimensions, arrays of numbers; detect: consecutive chunks of sound -> the
 *   probability of speech in each
 * @throws {Unusable}
 */
export async function loadNets(learned) {
  const [{ env, InferenceSession, Tensor }, runtime, model, speech] = await Promise.all([
    loadRuntime(),
    ...["ort.wasm", "model.onnx", "speech.onnx"].map(fetchBytes),
  ]);
  env.logLevel = "error";
  // Threads need headers that simple hosts do not send, and a clip is too short to benefit from them.
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = runtime;
  const open = async (bytes, name) => {
    try {
      return await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    } catch (problem) {
      throw damaged(problem.message.includes(NO_RUNTIME) ? "ort.wasm" : name);
    }
  };
  const recogniser = await open(model, "model.onnx"), detector = await open(speech, "speech.onnx");
  return {
    async recognise(waveform) {
      const tensor = new Tensor("float32", waveform, [waveform.length]);
      const wanted = ["probabilities", ...(learned ? ["dimensions"] : [])];
      const { probabilities, dimensions } = await recogniser.run({ waveform: tensor }, wanted);
      return { probabilities: [...probabilities.data], dimensions: [...(dimensions?.data ?? [])] };
    },
    async detect(chunks) {
      const tensor = new Tensor("float32", chunks, [chunks.length / CHUNK, CHUNK]);
      return (await detector.run({ chunks: tensor })).speech.data;
    },
  };
}

// The runtime is named .js, because some servers do not know the MIME type of .mjs.
async function loadRuntime() {
  try {
    return await import("./ort.js");
  } catch {
    throw unloadable("ort.js");
  }
}
