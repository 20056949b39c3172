//! A short run of what `fuzz/` does at length, on a stable compiler: seeds are damaged in the ways that programs and
//! disks damage files, and nothing may panic. The same numbers each time, so that a failure comes again.

use tidewaiter_inventory::{
    Fragment, LayerSource, Limits, ManifestFacts, Provenance, fuzzing, inspect, layer, merge, sbom,
};

mod support;

/// Damaged forms of each seed.
const ROUNDS: u32 = 400;

/// Small sound files, one at least for each kind of syntax.
const SEEDS: [&[u8]; 20] = [
    b"Package: a\nStatus: install ok installed\nSource: b (1)\nVersion: 1-1\nArchitecture: amd64\nMaintainer: x\n\n",
    b"P:a\nV:1-r0\nA:x86_64\no:b\nF:usr/bin\nR:a\nD:so:libc\np:so:a\n\n",
    b"ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
    br#"{"name": "a", "version": "1.0.0", "license": "MIT", "dependencies": {"b": {"version": "2", "requires": {}}}, "packages": {"node_modules/b": {"version": "1"}}, "libraries": {"a/1": {"type": "package"}}, "default": {"a": {"version": "==1"}}}"#,
    b"Metadata-Version: 2.1\nName: A\nVersion: 1.0\nRequires-Dist: b (>=1)\n\n",
    b"Gem::Specification.new do |s|\n  s.name = \"a\".freeze\n  s.version = \"1.0\"\n  s.licenses = [\"MIT\".freeze]\nend\n",
    br#"{"packages": [{"name": "a/b", "version": "v1.0", "require": {"c/d": "*"}, "license": ["MIT"]}], "packages-dev": []}"#,
    b"lockfileVersion: '9.0'\npackages:\n  '@a/b@1.0.0':\n    resolution: {integrity: x}\nsnapshots:\n  '@a/b@1.0.0(c@2)':\n    dependencies: {c: 2}\n",
    b"# yarn\n\"@a/b@^1\", c@2:\n  version \"1.0\"\n  dependencies:\n    d \"*\"\n",
    b"__metadata:\n  version: 8\n\"a@npm:1\":\n  version: 1.0\n  resolution: \"a@npm:1.0\"\n",
    b"a[x]==1.0 ; python_version > '3' \\\n  --hash=sha256:00\n",
    b"[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"x\"\ndependencies = [\"b 1\"]\n[package.extra]\nx = {y = [1]}\n",
    b"module a\nrequire (\n\tb v1.0.0 // indirect\n)\nreplace b => c v1.1.0\n",
    b"<project><properties><v>${w}</v><w>1</w></properties><dependencies><dependency><groupId>a</groupId><artifactId>b</artifactId><version>${v}</version></dependency></dependencies></project>",
    b"GEM\n  specs:\n    a (1.0-x86_64-linux)\n      b (~> 1)\n",
    b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0d\0\0\0\x01\x0f\xc0\0\x0f\xc0",
    b"RpmP\0\0\0\0\x01\0\0\0\x02\0\0\0Slot\x01\0\0\0\x02\0\0\0\x01\0\0\0Slot",
    b"\xff Go buildinf:\x08\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06go1.21\x40mmmmmmmmmmmmmmmmmod\ta\tv1\t\nmmmmmmmmmmmmmmmm",
    b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0aPK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0aPK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x1f\0\0\0\0\0",
    b"node.js/v20.1.0\0JAVA_VERSION=\"17\"\n",
];

/// xorshift64* (Marsaglia; Vigna 2016): enough for damage.
struct Damage(u64);

impl Damage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes a few bytes, cuts, doubles or moves a part.
    fn apply(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(bytes.len() - at.min(bytes.len())).min(64);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.next() as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => {
                    let part = bytes[at..at + length].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, part);
                }
                4 => {
                    bytes.drain(at..at + length);
                }
                _ => {
                    let odd: [&[u8]; 6] =
                        [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"-1", b"\n\n", b"\xc3\x28"];
                    let odd = odd[self.below(odd.len())];
                    bytes.splice(at..at, odd.iter().copied());
                }
            }
        }
        bytes
    }
}

#[test]
fn no_file_makes_a_parser_panic() {
    let mut damage = Damage(0x5eed);
    let mut executable = std::fs::read(std::env::current_exe().expect("this program")).expect("readable");
    executable.truncate(4096);
    let mut seeds = SEEDS.to_vec();
    seeds.push(&executable);
    for seed in seeds {
        for _ in 0..ROUNDS {
            let bytes = damage.apply(seed);
            let path = fuzzing::PATHS[damage.below(fuzzing::PATHS.len())];
            let _ = inspect(path, &bytes, None);
            fuzzing::stream(path, &bytes);
        }
        for path in fuzzing::PATHS {
            let _ = inspect(path, seed, None);
        }
    }
}

#[test]
fn no_layer_or_configuration_makes_reading_panic() {
    let mut damage = Damage(0xface);
    let tar = support::tar(&[
        support::file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"),
        support::file("etc/os-release", "ID=debian\n"),
        support::symlink("lib", "usr/lib"),
    ]);
    let config = br#"{"os": "linux", "config": {"Env": ["A=b"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}}, "rootfs": {"diff_ids": ["sha256:a"]}, "history": [{"created_by": "CMD x", "empty_layer": true}]}"#;
    for _ in 0..ROUNDS * 5 {
        let damaged = damage.apply(&tar);
        let config = damage.apply(config);
        if let Ok(fragment) = layer::read(damaged.as_slice(), &LayerSource::default(), &Limits::default()) {
            let _ = merge(&[&fragment, &fragment], &config, &ManifestFacts::default());
            assert_eq!(Fragment::decode(&fragment.encode()).as_ref(), Ok(&fragment));
            let _ = Fragment::decode(&damage.apply(&fragment.encode()));
        }
    }
}

#[test]
fn no_document_makes_reading_panic() {
    let mut damage = Damage(0xd0c5);
    let inventory = support::image(&[vec![support::file("lib/apk/db/installed", "P:a\nV:1\nL:MIT\no:b\n")]]);
    let subject = sbom::Subject::default();
    let statement = br#"{"_type": "x", "predicateType": "https://slsa.dev/provenance/v0.2", "predicate": {"materials": [{"uri": "pkg:docker/a@1", "digest": {"sha256": "b"}}], "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"source": {"infos": [{"data": "RlJPTSBhIEFTIGIKRlJPTSBiCg=="}]}}}}}"#;
    let xml = br#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components><component type="library"><name>a</name><purl>pkg:npm/%40a/b@1</purl></component></components></bom>"#;
    let written = [
        sbom::cyclonedx::write(&inventory, &subject),
        sbom::spdx::write(&inventory, &subject),
        sbom::scout::write(&inventory, &subject),
        statement.to_vec(),
        xml.to_vec(),
    ];
    for seed in &written {
        for _ in 0..ROUNDS {
            let bytes = damage.apply(seed);
            if let Ok(document) = sbom::read(&bytes) {
                let _ = sbom::read(&sbom::spdx::write(&document.inventory, &document.subject));
            }
            if let Some(provenance) = Provenance::parse(&bytes) {
                let _ = provenance.base();
            }
        }
    }
}
