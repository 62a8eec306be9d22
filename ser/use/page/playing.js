// While the recording is played, move a line over its drawings. A click on one moves the player.

let frame;

function player() {
  return document.querySelector("#recording audio");
}

function show() {
  cancelAnimationFrame(frame);
  const audio = player();
  if (!audio) return;
  for (const drawing of document.querySelectorAll(".drawing")) {
    const { start, seconds } = drawing.dataset;
    const share = (audio.currentTime - start) / seconds;
    drawing.classList.toggle("played", share >= 0 && share <= 1);
    drawing.style.setProperty("--played", share);
  }
  if (!audio.paused) frame = requestAnimationFrame(show);
}

// Events of players do not bubble, but they are captured.
for (const event of ["play", "seeking", "timeupdate"]) {
  document.addEventListener(event, ({ target }) => target === player() && show(), true);
}

document.addEventListener("click", ({ target, clientX }) => {
  const plot = target.closest(".drawing .plot"), audio = player();
  if (!plot || !audio) return;
  const { left, width } = plot.getBoundingClientRect();
  const { start, seconds } = plot.parentElement.dataset;
  audio.currentTime = Number(start) + ((clientX - left) / width) * seconds;
});
