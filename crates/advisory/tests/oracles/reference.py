"""A slow, plain matcher, written from the OSV schema alone, to hold the fast one against.

Input: a directory of OSV records, and on standard input one component per line: namespace (`Debian:12`,
`npm`, `PyPI`), name, version, separated by tabs. Output: for each component one line of JSON, the list of
[id, fix state, fix versions] that hold, sorted. Versions are compared by `dpkg --compare-versions`,
`packaging` and npm's `semver`.
"""
import functools
import json
import os
import re
import subprocess
import sys
from collections import defaultdict

from packaging.version import InvalidVersion, Version

SEMVER = "const s=require('semver');require('readline').createInterface({input:process.stdin})" \
    ".on('line',l=>{const[a,b]=l.split('\\t');console.log(s.compare(a,b))})"
node = None


@functools.cache
def compare(ecosystem, a, b):
    """-1, 0 or 1."""
    global node
    family = ecosystem.split(":")[0]
    if family == "Debian":
        for operator, result in (("lt", -1), ("gt", 1)):
            if subprocess.run(["dpkg", "--compare-versions", a, operator, b], stderr=subprocess.DEVNULL).returncode == 0:
                return result
        return 0
    if family == "PyPI":
        a, b = Version(a), Version(b)
        return (a > b) - (a < b)
    if family == "npm":
        if node is None:
            node = subprocess.Popen(["node", "-e", SEMVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        node.stdin.write(f"{a}\t{b}\n")
        node.stdin.flush()
        return int(node.stdout.readline())
    raise ValueError(family)


def affected_until(ecosystem, version, events):
    """None when not affected; else the first fix after the version, or '' when there is none,
    or '?' when the range ends with a last affected version."""
    def key(a, b):
        a, b = next(iter(a.values())), next(iter(b.values()))
        if a == "0" or b == "0":
            return (b == "0") - (a == "0")
        return compare(ecosystem, a, b)
    events = sorted(events, key=functools.cmp_to_key(key))
    affected = False
    for event in events:
        if "introduced" in event and (event["introduced"] == "0" or compare(ecosystem, version, event["introduced"]) >= 0):
            affected = True
        if "fixed" in event and compare(ecosystem, version, event["fixed"]) >= 0:
            affected = False
        if "last_affected" in event and compare(ecosystem, version, event["last_affected"]) > 0:
            affected = False
    if not affected:
        return None
    for event in events:
        if "fixed" in event and compare(ecosystem, version, event["fixed"]) < 0:
            return event["fixed"]
        if "last_affected" in event and compare(ecosystem, version, event["last_affected"]) <= 0:
            return "?"
    return ""


def cves(names):
    found = [name for name in names if re.fullmatch(r"CVE-\d+-\d+", name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("-")[1:])))


def announcement(record):
    return record["id"].split("-")[0] in ("DSA", "DLA", "DTSA")


def normal(ecosystem, name):
    return re.sub(r"[-_.]+", "-", name).lower() if ecosystem == "PyPI" else name


records = {}
for file in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], file)) as stream:
        record = json.load(stream)
        records[record["id"]] = record

mentions = defaultdict(list)
for record in records.values():
    for affected in record["affected"]:
        package = affected.get("package") or {}
        if "name" in package:
            mentions[package["ecosystem"], normal(package["ecosystem"], package["name"])].append((record, affected))


def shown_as(record):
    """The name a finding is shown under."""
    if announcement(record):
        return record["id"]
    own = cves([record["id"]]) or cves(record.get("aliases", []))
    if own:
        return own[0]
    others = [records[alias] for alias in record.get("aliases", []) if alias in records]
    others += [other for other in records.values() if record["id"] in other.get("aliases", [])]
    theirs = cves(name for other in others for name in [other["id"], *other.get("aliases", [])])
    if theirs:
        return theirs[0]
    return min((name for name in [record["id"], *record.get("aliases", [])] if name.startswith("GHSA-")), default=record["id"])


def judge(ecosystem, name, version):
    here = mentions[ecosystem, normal(ecosystem, name)]
    told = {shown_as(record) for record, _ in here if not announcement(record)}
    findings = defaultdict(lambda: ([], []))
    by_record = defaultdict(list)
    stands_for = {}
    for record, affected in here:
        if announcement(record):
            named = cves(record.get("related", []))
            stands_for[record["id"]] = [cve for cve in named if cve not in told] or ([] if named else [record["id"]])
        for one in affected.get("ranges", []):
            if one["type"] != "GIT":
                until = affected_until(ecosystem, version, one["events"])
                if until is not None:
                    by_record[record["id"]].append((until, affected))
        if version in affected.get("versions", []):
            by_record[record["id"]].append(("?", affected))
    for identifier, hits in by_record.items():
        fixes = [until for until, _ in hits]
        end_of_life = any((affected.get("ecosystem_specific") or {}).get("urgency") == "end-of-life" for _, affected in hits)
        for shown in stands_for.get(identifier, [shown_as(records[identifier])]):
            versions, states = findings[shown]
            if all(until not in ("", "?") for until in fixes):
                versions.append(max(fixes, key=functools.cmp_to_key(lambda a, b: compare(ecosystem, a, b))))
            elif end_of_life:
                states.append("end-of-life")
            elif "" in fixes:
                states.append("not-fixed")
    result = []
    for identifier, (versions, states) in findings.items():
        versions = sorted(set(versions), key=functools.cmp_to_key(lambda a, b: compare(ecosystem, a, b)))
        state = "fixed" if versions else "end-of-life" if "end-of-life" in states else states[0] if states else "unknown"
        result.append([identifier, state, versions])
    return sorted(result)


for line in sys.stdin:
    print(json.dumps(judge(*line.rstrip("\n").split("\t"))))
