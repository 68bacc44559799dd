"""Instructions of decoding, combining and windows, held against recorded ones.

valgrind counts, not the processor: the same on every machine that has the same instruction set, whatever else runs on
it. Libraries choose their instructions by what valgrind shows them, and it shows what the processor has; `inside` tells
what that was. A count is the difference of two runs of different length, so that starting does not count.

    cost.py            compares with benches/cost.json
    cost.py --record   writes what this instruction set needs; the records of others move by the same ratio

Where the instruction set has a record, ±10 %. Where it has none, the record that has most of it is compared, with a wider
bound: a machine that merely differs is not refused, and code that has become much dearer is on every machine.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RECORDED = TOP / "benches/cost.json"
TOLERANCE = 0.10
# Judgement, for want of other machines: what goes by the instruction set (looking for line ends and through UTF-8, copies
# and comparisons of the C library) is less than a tenth of decoding, and takes up to twice as many with half the width.
TOLERANCE_OTHER_SET = 0.25
# Another architecture has other instructions for everything.
TOLERANCE_OTHER_ARCHITECTURE = 0.50
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
    """What each part costs now, and the instruction set: its architecture, and what of it libraries choose by."""
    counts, instruction_set = {}, []
    for part, (few, many) in PARTS.items():
        (less, _), (more, told) = instructions(part, few), instructions(part, many)
        count = (more - less) / (many - few) / told["units_a_time"]
        counts[part] = {"unit": told["unit"], "instructions": round(count)}
        instruction_set = told["instruction_set"]
    return counts, instruction_set


def likest(records, instruction_set):
    """The record to compare with, and how far from it a count may be."""
    own = set(instruction_set)

    def apart(record):
        its = set(record["instruction_set"])
        return record["instruction_set"][0] != instruction_set[0], len(own ^ its)

    best = min(records, key=apart)
    is_other, differences = apart(best)
    if is_other:
        return best, TOLERANCE_OTHER_ARCHITECTURE
    return best, TOLERANCE_OTHER_SET if differences else TOLERANCE


def recorded_anew(records, instruction_set, counts):
    """The records with this one. Where this instruction set had one, the code has changed since: for others, too."""
    others = [record for record in records if record["instruction_set"] != instruction_set]
    before = next((record["parts"] for record in records if record["instruction_set"] == instruction_set), counts)
    for record in others:
        for part, was in record["parts"].items():
            ratio = counts[part]["instructions"] / before[part]["instructions"]
            was["instructions"] = round(was["instructions"] * ratio)
    return [{"instruction_set": instruction_set, "parts": counts}, *others]


def judged(records, instruction_set, counts):
    """Lines to print, and whether one of them fails."""
    record, tolerance = likest(records, instruction_set)
    lines, failed = [], False
    if record["instruction_set"] != instruction_set:
        lines.append(f"nothing is recorded with {' '.join(instruction_set)}: compared with {' '.join(record['instruction_set'])}, "
                     f"±{tolerance:.0%} (--record, and this machine has ±{TOLERANCE:.0%})")
    for part, now in counts.items():
        was = record["parts"][part]["instructions"]
        change = now["instructions"] / was - 1
        fits = abs(change) <= tolerance
        failed |= not fits
        lines.append(f"{'ok  ' if fits else 'FAIL'} {part}: {now['instructions']} instructions a {now['unit']}, "
                     f"recorded {was} ({change:+.1%})")
    if failed:
        lines.append(f"costs have changed by more than {tolerance:.0%}: if that is meant, benches/cost.py --record, and say why")
    return lines, failed


def main():
    records = json.loads(RECORDED.read_text())["records"]
    counts, instruction_set = measured()
    if "--record" in sys.argv:
        records = recorded_anew(records, instruction_set, counts)
        RECORDED.write_text(json.dumps({"records": records}, indent=2) + "\n")
    lines, failed = judged(records, instruction_set, counts)
    print("\n".join(lines))
    sys.exit(failed)


if __name__ == "__main__":
    main()
