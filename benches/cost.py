"""Instructions of decoding, combining and windows, held against recorded ones.

valgrind counts, not the processor: the same on every machine, whatever else runs on it, and with the same
instruction set (libraries choose theirs by the processor that they find). A count is the difference of two
runs of different length, so that starting does not count.

    cost.py            compares with benches/cost.json, ±10 %
    cost.py --record   writes it
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RECORDED = TOP / "benches/cost.json"
TOLERANCE = 0.10
# What libraries choose their instructions by, as far as valgrind shows it to them.
FLAGS = ("avx2", "bmi2", "avx", "sse4_2", "pclmulqdq")
# Parts with the numbers of times that are compared: long enough that a step of the scheduler is nothing.
PARTS = {"decode": (3, 9), "combine": (5, 25), "windows": (10, 40)}


def instructions(part, times):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(TOP / "target/release/inside"),
               "cost", "--part", part, "--times", str(times)]
    run = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return int(found[1]), json.loads(run.stdout)


def measured():
    counts = {}
    for part, (few, many) in PARTS.items():
        (less, _), (more, told) = instructions(part, few), instructions(part, many)
        count = (more - less) / (many - few) / told["units_a_time"]
        counts[part] = {"unit": told["unit"], "instructions": round(count)}
    return counts


def instruction_set():
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    known = found[1].split() if found else []
    return [flag for flag in FLAGS if flag in known]


def main():
    if "--record" in sys.argv:
        counts = measured()
        RECORDED.write_text(json.dumps({"instruction_set": instruction_set(), "parts": counts}, indent=2) + "\n")
    told = json.loads(RECORDED.read_text())
    if told["instruction_set"] != instruction_set():
        print(f"recorded with {told['instruction_set']}, this processor has {instruction_set()}: not comparable")
        return
    counts, recorded = measured(), told["parts"]
    failed = False
    for part, now in counts.items():
        was = recorded[part]["instructions"]
        change = now["instructions"] / was - 1
        fits = abs(change) <= TOLERANCE
        failed |= not fits
        print(f"{'ok  ' if fits else 'FAIL'} {part}: {now['instructions']} instructions a {now['unit']}, "
              f"recorded {was} ({change:+.1%})")
    if failed:
        print("costs have changed by more than 10 %: if that is meant, benches/cost.py --record, and say why")
    sys.exit(failed)


if __name__ == "__main__":
    main()
