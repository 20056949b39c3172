"""Lists distinct packages, `ecosystem TAB name TAB version` a line: those that advisories speak of, at one of the versions
that fix something, then made-up ones of which nobody speaks, as most packages of an image are.

    python3 benches/packages.py DIR COUNT        DIR holds OSV's bulk exports
"""
import json
import random
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

fixes = defaultdict(set)
for archive in sorted(Path(sys.argv[1]).glob("*.zip")):
    if archive.stem in ("Red_Hat", "Rocky_Linux"):
        continue
    with zipfile.ZipFile(archive) as records:
        for name in records.namelist():
            for affected in json.loads(records.read(name)).get("affected", []):
                package = affected.get("package") or {}
                for one in affected.get("ranges", []):
                    fixed = {event["fixed"] for event in one["events"] if "fixed" in event}
                    if one["type"] != "GIT" and "ecosystem" in package:
                        fixes[package["ecosystem"], package["name"]] |= fixed
chance = random.Random(1)
count = int(sys.argv[2])
known = sorted(key for key, fixed in fixes.items() if fixed)
chance.shuffle(known)
for ecosystem, name in known[:count]:
    print(ecosystem, name, chance.choice(sorted(fixes[ecosystem, name])), sep="\t")
for number in range(count - len(known[:count])):
    print(chance.choice(["Debian:12", "npm", "PyPI", "Maven"]), f"example-{number}", f"1.{number % 50}.0", sep="\t")
