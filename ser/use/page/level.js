// Show how loud the microphone is while it is open, or why it cannot be opened.

const [level, problem] = element.querySelectorAll("label, .message");
const meter = level.querySelector("meter"); // in dB: 0 is the loudest that can be recorded

let isOwn; // whether what was pressed last is a part of this level's recorder
document.addEventListener("click", ({ target }) => isOwn = target.closest(props.recorder), true);

function say(name) {
  problem.hidden = !name;
  problem.textContent = name && (props.problems[name] ?? `${props.problems.other} (${name}).`);
}

async function follow(stream) {
  const context = new AudioContext(), analyser = context.createAnalyser();
  const samples = new Float32Array(analyser.fftSize);
  context.createMediaStreamSource(stream).connect(analyser);
  level.hidden = false;
  const update = () => {
    analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    meter.value = Math.max(meter.min, 20 * Math.log10(peak));
    if (stream.active) return requestAnimationFrame(update);
    level.hidden = true;
    context.close();
  };
  update();
}

const media = navigator.mediaDevices;
if (media) {
  // Gradio's recorder opens the microphone with this and reports no problems.
  const open = media.getUserMedia.bind(media);
  media.getUserMedia = async (wanted) => {
    if (!isOwn) return open(wanted);
    say("");
    try {
      const stream = await open(wanted);
      follow(stream);
      return stream;
    } catch (refusal) {
      say(refusal.name);
      throw refusal;
    }
  };
} else say("insecure");
