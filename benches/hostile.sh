#!/usr/bin/env bash
# What inputs that are made to hurt cost: three million small files, ten gigabytes of zeros, archives nested 4,000 deep,
# an archive with a million entries, a directory with 100,000 archives. Time, memory, and what the result says of it.
. "$(dirname "$0")/lib.sh"
need python3
begin "Inputs that are made to hurt"
python3 - "$work" <<'END'
"""Makes each input once: layers as layouts of one layer, and a directory of jars."""
import gzip, hashlib, io, json, os, pathlib, sys, tarfile, zipfile

work = pathlib.Path(sys.argv[1])


def layout(name, write):
    """An image of one layer, whose tar `write` writes to a stream."""
    target = work / f"{name}.oci"
    if target.exists():
        return
    blobs = work / f"{name}.unfinished" / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layer = blobs / "layer"
    with open(layer, "wb") as stored, gzip.GzipFile(fileobj=stored, mode="wb", compresslevel=1, mtime=0) as packed:
        diff = hashlib.sha256()

        class Stream:
            def write(self, data):
                diff.update(data)
                return packed.write(data)

        write(Stream())

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    digest = hashlib.sha256()
    with open(layer, "rb") as stored:
        while piece := stored.read(1 << 20):
            digest.update(piece)
    size = layer.stat().st_size
    layer.rename(blobs / digest.hexdigest())
    config = {"os": "linux", "architecture": "amd64", "config": {},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff.hexdigest()}"]}}
    kind = "application/vnd.oci.image."
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
                "config": {"mediaType": kind + "config.v1+json", **blob(json.dumps(config).encode())},
                "layers": [{"mediaType": kind + "layer.v1.tar+gzip", "digest": f"sha256:{digest.hexdigest()}", "size": size}]}
    entry = {"mediaType": kind + "manifest.v1+json", **blob(json.dumps(manifest).encode()),
             "annotations": {"org.opencontainers.image.ref.name": "v1"}}
    root = blobs.parent.parent
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    root.rename(target)


def header(name, size):
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def files(out):
    template = bytearray(header("0" * 40, 1))
    body = b"x" + bytes(511)
    for number in range(3_000_000):
        name = b"usr/share/data/%04d/file-%07d" % (number // 1000, number)
        template[0:100] = name.ljust(100, b"\0")
        template[148:156] = b" " * 8
        template[148:156] = b"%06o\0 " % sum(template)
        out.write(bytes(template) + body)
    out.write(bytes(1024))


def zeros(out):
    out.write(header("zeros", 8 * (1 << 30) - 512))
    piece = bytes(1 << 20)
    for _ in range(8 * 1024 - 1):
        out.write(piece)
    out.write(piece[:-512])
    out.write(header("more-zeros", 2 * (1 << 30)))
    for _ in range(2 * 1024):
        out.write(piece)
    out.write(bytes(1024))


def archive(entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def one_file(name, content):
    def write(out):
        out.write(header(name, len(content)))
        out.write(content)
        out.write(bytes(-len(content) % 512 + 1024))
    return write


def nested():
    data = archive([("META-INF/MANIFEST.MF", "Implementation-Title: inner\nImplementation-Version: 1\n")])
    for _ in range(4000):
        data = archive([("a.jar", data)])
    return data


if not (work / "nested.oci").exists():
    layout("nested", one_file("app/nested-1.0.jar", nested()))
if not (work / "entries.oci").exists():
    layout("entries", one_file("app/entries-1.0.jar", archive((f"a/{n}.class", b"") for n in range(1_000_000))))
layout("files", files)
layout("zeros", zeros)
jars = work / "jars"
if not jars.exists():
    unfinished = work / "jars.unfinished"
    unfinished.mkdir(exist_ok=True)
    for number in range(100_000):
        manifest = f"Implementation-Title: jar{number}\nImplementation-Version: 1.0\n"
        (unfinished / f"jar{number}-1.0.jar").write_bytes(archive([("META-INF/MANIFEST.MF", manifest)]))
    unfinished.rename(jars)
END
say "| input | seconds | MiB | packages | what the result says |"
say "|---|---|---|---|---|"
for input in files zeros nested entries jars; do
    image=oci-dir://$work/$input.oci:v1
    [ "$input" = jars ] && image=fs://$work/jars
    /usr/bin/time -f "%e %M" -o "$work/cost" "$tidewaiter" sbom "$image" --no-cache --format list >"$work/list" 2>"$work/notes"
    # The list has a line above its columns, unless it is empty.
    packages=$(tail -n +2 "$work/list" | wc -l)
    said=$(sed -n 's/^Warning: //p' "$work/notes" | head -1 | sed "s|$work|\$work|g" | cut -c1-160)
    say "| $input | $(awk '{print $1 " | " int($2 / 1024)}' "$work/cost") | $packages | ${said:-nothing} |"
done
