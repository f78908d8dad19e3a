"""Prints how many tests of a run were cancelled or skipped, by reason, from Swift Testing's event stream.

usage: count_skipped_tests.py EVENTS
"""

import collections
import json
import pathlib
import sys


def reason(event):
    """What the event's messages say after "was cancelled" or "skipped"."""
    text = " ".join(message["text"] for message in event.get("messages", []))
    return text.split(": ", 1)[1].strip('"') if ": " in text else "no reason given"


def count(lines):
    """How many tests, or cases of a test with arguments, did not run to their end, by reason."""
    cancelled_tests, cancelled_cases, reasons = set(), [], collections.Counter()
    for line in lines:
        record = json.loads(line)
        event = record.get("payload", {})
        kind, test = event.get("kind"), event.get("testID")
        if record.get("kind") != "event":
            continue
        if kind == "testCancelled":
            cancelled_tests.add(test)
        elif kind == "testCaseCancelled":
            cancelled_cases.append(test)
        elif kind == "testSkipped" or (kind == "testEnded" and test in cancelled_tests):
            reasons[reason(event)] += 1
    # A test that goes on with its other cases gives no reason for those that it leaves out.
    partly = sum(test not in cancelled_tests for test in cancelled_cases)
    if partly:
        reasons["single cases of tests with arguments"] += partly
    return reasons


def main():
    text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    reasons = count(line for line in text.splitlines() if line.strip())
    print(f"Tests cancelled or skipped: {sum(reasons.values())}")
    for text, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {number} x {text}")


if __name__ == "__main__":
    main()
