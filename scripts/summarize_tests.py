"""Prints what went wrong in a run of the tests, and how many of them were cancelled or skipped, by reason.

Reads Swift Testing's event stream, so that both stand at the end of a long log.

usage: summarize_tests.py EVENTS
"""

import collections
import json
import pathlib
import sys


def reason(event):
    """What the event's messages say after "was cancelled" or "skipped"."""
    text = " ".join(message["text"] for message in event.get("messages", []))
    return text.split(": ", 1)[1].strip('"') if ": " in text else "no reason given"


def problems(events):
    """Each recorded issue: the test, and what its messages say."""
    for event in events:
        if event.get("kind") == "issueRecorded":
            text = "\n    ".join(message["text"] for message in event.get("messages", []))
            yield f"{event.get('testID', 'outside every test')}\n    {text}"


def count(events):
    """How many tests, or cases of a test with arguments, did not run to their end, by reason."""
    cancelled_tests, cancelled_cases, reasons = set(), [], collections.Counter()
    for event in events:
        kind, test = event.get("kind"), event.get("testID")
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
    records = [json.loads(line) for line in text.splitlines() if line.strip()]
    events = [record.get("payload", {}) for record in records if record.get("kind") == "event"]
    failed = list(problems(events))
    if failed:
        print(f"Issues: {len(failed)}")
        for problem in failed:
            print(f"  {problem}")
    reasons = count(events)
    print(f"Tests cancelled or skipped: {sum(reasons.values())}")
    for text, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        print(f"  {number} x {text}")


if __name__ == "__main__":
    main()
