// Record with the microphone.

import { Unusable, unloadable } from "./files.js";

const RECENT = 40; // blocks of 128 samples: a tenth of a second at 48 kHz

/**
 * Record until `stop` is called.
 *
 * @param {object} problems a sentence for each name of an error, and for "insecure" and "other"
 * @returns {Promise<{seconds: () => number, level: () => number,
 *   stop: () => Promise<{channels: Float32Array[], rate: number}>}>} level: the loudest sample of
 *   the last moment, in dB: 0 is the loudest that can be recorded
 * @throws {Unusable} the microphone cannot be used
 */
export async function record(problems) {
  if (!navigator.mediaDevices) throw new Unusable(problems.insecure);
  let stream, context;
  const close = async () => {
    stream?.getTracks().forEach((track) => track.stop());
    await context?.close();
  };
  try {
    stream = await open();
    context = new AudioContext();
    const heard = await listen(context, stream);
    return {
      seconds: () => heard.samples / context.sampleRate,
      level: () => 20 * Math.log10(peak(heard.blocks.slice(-RECENT))),
      async stop() {
        await close();
        return { channels: [joined(heard)], rate: context.sampleRate };
      },
    };
  } catch (problem) {
    await close(); // otherwise the microphone stays on
    if (problem instanceof Unusable) throw problem;
    throw new Unusable(problems[problem.name] ?? `${problems.other} (${problem.name}).`);
  }
}

/** Start recording; return the object {blocks, samples} that grows from now on. */
async function listen(context, stream) {
  let capture;
  try {
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    capture = new AudioWorkletNode(context, "capture", {
      channelCount: 1,
      channelCountMode: "explicit",
      numberOfOutputs: 0,
    });
  } catch {
    throw unloadable("capture.js");
  }
  const heard = { blocks: [], samples: 0 };
  capture.port.onmessage = ({ data }) => {
    heard.blocks.push(data);
    heard.samples += data.length;
  };
  context.createMediaStreamSource(stream).connect(capture);
  return heard;
}

function open() {
  // Unprocessed, because processing meant for calls changes voices.
  const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return navigator.mediaDevices.getUserMedia({ audio: raw });
}

function peak(blocks) {
  return Math.max(0, ...blocks.flatMap((block) => Array.from(block, Math.abs)));
}

function joined({ blocks, samples }) {
  const whole = new Float32Array(samples);
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}
