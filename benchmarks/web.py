"""Measure the size of the page of `ser export --web`, and how long it takes to answer.

`python -m benchmarks.web data/raw public` uses the clips of a folder and an exported page. Server
and browser share this machine; each first answer is measured in a new browser.
"""

import argparse
import gzip
import time
from pathlib import Path
from statistics import median

import numpy as np
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from ser.core.tables import write_csv
from ser.parallel import worker_count
from tests.helpers.browser import PATIENCE, browse
from tests.helpers.static_page import opened, served

STARTS = 5
CLIPS = 20
_RESULTS = Path(__file__).with_name("web.csv")


def answer(driver: WebDriver, clip: Path) -> float:
    """Upload a clip to an open page; return the seconds until its answer."""
    shown = len(driver.find_elements(By.CSS_SELECTOR, "article"))
    start = time.perf_counter()
    driver.find_element(By.ID, "files").send_keys(str(clip))
    WebDriverWait(driver, PATIENCE, poll_frequency=0.01).until(
        lambda d: len(d.find_elements(By.CSS_SELECTOR, "article")) > shown
    )
    return time.perf_counter() - start


def main() -> None:
    """Write web.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("raw", type=Path, help="folder of recordings")
    parser.add_argument("page", type=Path, help="folder that `ser export --web` wrote")
    options = parser.parse_args()
    clips = sorted(file for file in options.raw.rglob("*.wav") if file.stat().st_size > 10_000)
    chosen = [clips[i].resolve() for i in np.linspace(0, len(clips) - 1, CLIPS).astype(int)]
    content = [file.read_bytes() for file in options.page.iterdir()]
    ready, first, next_ = [], [], []
    with served(options.page) as address:
        for _ in range(STARTS):
            with browse() as driver:
                start = time.perf_counter()
                opened(driver, address)
                ready.append(time.perf_counter() - start)
                first.append(ready[-1] + answer(driver, chosen[0]))
                next_ += [answer(driver, clip) for clip in chosen[1 : 1 + CLIPS // STARTS]]
    row = {
        "megabytes": f"{sum(map(len, content)) / 1e6:.1f}",
        "megabytes_packed": f"{sum(len(gzip.compress(part)) for part in content) / 1e6:.1f}",
        "ready_seconds": f"{median(ready):.2f}",
        "first_seconds": f"{median(first):.2f}",
        "next_seconds": f"{median(next_):.2f}",
        "cores": worker_count(),
    }
    print(row)
    write_csv(_RESULTS, [row], list(row))


if __name__ == "__main__":
    main()
