-- Says how rpm orders pairs of versions: `<`, `=` or `>` per input line.
for line in io.lines() do
  local a, b = line:match("([^\t]*)\t([^\t]*)")
  local order = rpm.vercmp(a, b)
  io.write(order < 0 and "<" or order > 0 and ">" or "=", "\n")
end
