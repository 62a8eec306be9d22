// Recordings by a microphone.

const PROBLEMS = {
  NotAllowedError: "The microphone may not be used: allow it for this page in the browser's settings.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is used by another program.",
};

/**
 * Record until told to stop.
 *
 * @returns {Promise<{seconds: () => number, stop: () => Promise<{channels: Float32Array[], rate: number}>}>}
 * @throws {Error} it cannot be used: why, in a sentence
 */
export async function record() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give a microphone to pages by https alone, and to those of this computer.");
  }
  const stream = await open();
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
  const capture = new AudioWorkletNode(context, "capture", {
    channelCount: 1,
    channelCountMode: "explicit",
    numberOfOutputs: 0,
  });
  const blocks = [];
  let samples = 0;
  capture.port.onmessage = ({ data }) => {
    blocks.push(data);
    samples += data.length;
  };
  context.createMediaStreamSource(stream).connect(capture);
  return {
    seconds: () => samples / context.sampleRate,
    async stop() {
      stream.getTracks().forEach((track) => track.stop());
      await context.close();
      return { channels: [joined(blocks, samples)], rate: context.sampleRate };
    },
  };
}

async function open() {
  try {
    // As it is: what is meant for calls changes voices.
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio: raw });
  } catch (problem) {
    throw new Error(PROBLEMS[problem.name] ?? `The microphone cannot be used (${problem.name}).`);
  }
}

function joined(blocks, samples) {
  const whole = new Float32Array(samples);
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}
