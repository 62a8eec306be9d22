"""Show how a training advances: a line updated in place, or a line from time to time."""

import shutil
import sys
from statistics import median

from tqdm import tqdm

from ser.core.sections import Model
from ser.training.history import Epoch
from ser.training.loop import epochs_of, last_epoch

_LINES = 10  # of a fold, at least
_SILENCE = 60.0  # seconds, after which an epoch is printed in any case


class Progress:
    """Shows the epochs of one fold after the other, with the time left.

    Seconds per epoch are the median of the fold's epochs in this process. Epochs before a training
    was resumed do not count.
    """

    def __init__(self, folds: int, model: Model) -> None:
        self._folds, self._epochs = folds, epochs_of(model)
        self._last, self._stops_early = last_epoch(model), model.patience > 0
        self._fold = 0
        self._seconds: list[float] = []
        self._silent = 0.0
        self._line_is_open = False

    def print_some(self, newest: Epoch, seconds: float) -> None:
        """Print an epoch on a line of its own, if it is due.

        Due are the first and the last epoch, each tenth of the epochs, and any epoch a minute after
        the line before.

        Args:
            newest: the epoch that has just ended.
            seconds: that it took.
        """
        self._count(newest, seconds)
        self._silent += seconds
        if not self._is_due(newest.epoch):
            return
        self._silent = 0.0
        val = ""
        if newest.val_loss is not None:
            val = f"; val loss {newest.val_loss:.3f}, accuracy {newest.val_accuracy:.1%}"
        # Text and line end in one write, because other processes print as well.
        print(
            f"fold {newest.fold}/{self._folds} epoch {newest.epoch}/{self._epochs}: "
            f"train loss {newest.train_loss:.3f}, accuracy {newest.train_accuracy:.1%}{val}; "
            f"{median(self._seconds):.2f} s per epoch{self._time_left(newest.epoch)}\n",
            end="",
            flush=True,
        )

    def redraw(self, newest: Epoch, seconds: float) -> None:
        """Show an epoch on the fold's line, in place of the epoch before.

        Args:
            newest: the epoch that has just ended.
            seconds: that it took.
        """
        self._count(newest, seconds)
        val = "" if newest.val_accuracy is None else f", val {newest.val_accuracy:.1%}"
        meter = tqdm.format_meter(
            newest.epoch,
            self._last,
            sum(self._seconds),
            # A character less than the terminal has: some begin a new line after the last one.
            ncols=shutil.get_terminal_size().columns - 1,
            prefix=f"fold {newest.fold}/{self._folds}",
            ascii=not sys.stdout.encoding.lower().startswith("utf"),
            rate=1 / max(median(self._seconds), 1e-9),
            bar_format="{desc}: |{bar}| {n_fmt}/{total_fmt} epochs, {remaining} left{postfix}",
            postfix=f"accuracy: train {newest.train_accuracy:.1%}{val}",
        )
        self._line_is_open = newest.epoch < self._last
        print(f"\r{meter}", end="" if self._line_is_open else "\n", flush=True)

    def end_line(self) -> None:
        """End a line that could still be updated, before something else is printed."""
        if self._line_is_open:
            print(flush=True)
        self._line_is_open = False

    def _count(self, newest: Epoch, seconds: float) -> None:
        if newest.fold != self._fold:
            self._fold, self._seconds, self._silent = newest.fold, [], 0.0
        self._seconds.append(seconds)

    def _is_due(self, epoch: int) -> bool:
        if len(self._seconds) == 1 or epoch == self._last or self._silent >= _SILENCE:
            return True
        return _LINES * epoch // self._last > _LINES * (epoch - 1) // self._last

    def _time_left(self, done: int) -> str:
        if done == self._last:
            return ""
        left = tqdm.format_interval(median(self._seconds) * (self._last - done))
        at_most = "at most " if self._stops_early else ""
        return f", {at_most}{left} left"
