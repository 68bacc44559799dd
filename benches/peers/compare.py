"""Holds a peer's windows against those of `chrysalis replay`: nothing of the engine is used."""

import csv
import re
import sys
from pathlib import Path

# Counts and ratios are the same division of whole numbers; sums of doubles differ in their last bits.
RATIO_ERROR = 1e-12
MEAN_ERROR = 1e-9
LABEL = re.compile("service=(.*);city=(.*);channel=(.*)")


def number(text):
    """None where a window has no value, in the words of Java and of SQL."""
    return float(text) if text not in ("", "NaN", "nan") else None


def replayed(folder):
    """Windows of replay: key, start and end → count, ratio, mean, p95."""
    windows = {}
    with open(folder / "windows.csv", newline="") as file:
        for kqi, group, start, end, count, value, *_ in csv.reader(file):
            if kqi == "kqi":
                continue
            window = (*LABEL.fullmatch(group).groups(), int(start), int(end))
            row = windows.setdefault(window, [int(count), None, None, None])
            column = 1 if "success" in kqi else 2 if "mean" in kqi else 3
            row[column] = number(value)
    return windows


def told(folder):
    """Windows of a peer: every CSV file in its folder, without what Flink has not finished."""
    windows = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        with open(path, newline="") as file:
            for service, city, channel, start, end, count, *values in csv.reader(file):
                window = (service, city, channel, int(start), int(end))
                if window in windows:
                    sys.exit(f"{path} has {window} a second time")
                windows[window] = [int(count), *(number(value) for value in values)]
    return windows


def near(one, other, error):
    if one is None or other is None:
        return one is other
    return abs(one - other) <= error * max(abs(one), abs(other))


def compare(peer, replay, p95_error):
    """Ends the run at the first difference; else the windows compared and the largest difference of p95."""
    ours, theirs = replayed(replay), told(peer)
    for window in ours.keys() ^ theirs.keys():
        sys.exit(f"{peer}: {window} is only in {'replay' if window in ours else 'the peer'}: "
                 f"{len(ours)} windows here, {len(theirs)} there")
    worst = 0.0
    for window, (count, ratio, mean, p95) in ours.items():
        their_count, their_ratio, their_mean, their_p95 = theirs[window]
        same = (
            count == their_count
            and near(ratio, their_ratio, RATIO_ERROR)
            and near(mean, their_mean, MEAN_ERROR)
            and near(p95, their_p95, p95_error)
        )
        if not same:
            sys.exit(f"{peer}: {window} is {ours[window]} in replay and {theirs[window]} there")
        if p95 is not None:
            worst = max(worst, abs(p95 - their_p95) / max(p95, their_p95))
    return len(ours), worst


if __name__ == "__main__":
    print(compare(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
