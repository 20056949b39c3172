// Says how npm's `semver` orders pairs of versions: `<`, `=`, `>` or `!` (one is no version) per input line.
const semver = require("semver");

const lines = require("fs").readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
for (const line of lines) {
  const [a, b] = line.split("\t");
  const valid = semver.valid(a) !== null && semver.valid(b) !== null;
  console.log(valid ? { "-1": "<", 0: "=", 1: ">" }[semver.compare(a, b)] : "!");
}
