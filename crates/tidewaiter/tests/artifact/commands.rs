//! What the commands do and print, against our own registry and layouts.

use serde_json::Value;
use tidewaiter_testkit::ServerProcess;

use crate::oras::{Oras, answering, embedded_registry};

const README: &str = "sha256:2fdeac43552b71eb9db534137714c7bad86b53a93c56ca96d4850c9b41b777fc";

/// The program with a registry and some files.
struct Scene {
    oras: Oras,
    registry: ServerProcess,
}

impl Scene {
    fn new() -> Self {
        let oras = Oras::new();
        let registry = embedded_registry(&oras.bin().join("data"));
        oras.write("readme.md", "Readme Content\n");
        oras.write("details/a.md", "Detailed Content\n");
        Self { oras, registry }
    }

    /// A command line in which `R` stands for the registry.
    fn line(&self, line: &str) -> String {
        line.replace("R/", &format!("{}/", self.registry.host()))
    }

    /// What a command that must succeed gave as its result, without the lines of status before it.
    fn ok(&self, line: &str) -> String {
        let whole = self.oras.ok(&self.line(line));
        whole.split_inclusive('\n').filter(|line| !is_status(line)).collect()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(line)).expect("JSON")
    }
}

/// A line that says how far something has come: `Uploading 2fdeac43552b readme.md`.
fn is_status(line: &str) -> bool {
    const OTHERS: [&str; 6] =
        ["Preparing ", "Uploading empty artifact", "Fetching ", "Fetched ", "Packed ", "Updated "];
    let names_content = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    OTHERS.iter().any(|start| line.starts_with(start))
        || line.starts_with("Removed ")
        || line.split_whitespace().nth(1).is_some_and(names_content)
}

fn last_word(text: &str) -> &str {
    text.split_whitespace().last().unwrap_or_default()
}

#[test]
fn push_says_what_it_does_and_pull_brings_it_back() {
    let scene = Scene::new();
    let line = scene.line("push R/samples/artifact:readme,v2 --artifact-type readme/example ./readme.md:text/markdown ./details");
    let run = scene.oras.run(&line);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let digest = last_word(&run.stdout).to_owned();
    let expected = format!(
        "Pushed [registry] R/samples/artifact:readme\nTagged v2\nArtifactType: readme/example\nDigest: {digest}\n"
    );
    // Scripts read status on standard output, as real ORAS 1.3.3 writes it.
    assert!(run.stdout.ends_with(&scene.line(&expected)), "{}", run.stdout);
    assert!(run.stdout.starts_with("Preparing readme.md\nPreparing details\n"), "{}", run.stdout);
    for status in ["Uploading 2fdeac43552b readme.md\n", "Uploaded  2fdeac43552b readme.md\n"] {
        assert!(run.stdout.contains(status), "{}", run.stdout);
    }
    assert_eq!(run.stderr, "");
    let pulled = scene.ok("pull -o out R/samples/artifact:v2");
    assert_eq!(pulled, scene.line(&format!("Pulled [registry] R/samples/artifact:v2\nDigest: {digest}\n")));
    let read = |name: &str| std::fs::read_to_string(scene.oras.work().join(name)).expect(name);
    assert_eq!(read("out/readme.md"), "Readme Content\n");
    assert_eq!(read("out/details/a.md"), "Detailed Content\n");
    let files = scene.json("pull -o out --format json R/samples/artifact:v2");
    assert_eq!(files["files"][0]["digest"], README);
    let paths: Vec<&str> =
        files["files"].as_array().expect("a list").iter().filter_map(|f| f["path"].as_str()).collect();
    assert!(paths[0].ends_with("/out/readme.md") && paths[1].ends_with("/out/details/"), "{paths:?}");
    assert_eq!(scene.ok("pull --include *.md -o - R/samples/artifact:v2"), "Readme Content\n");
    let kept = scene.oras.run(&scene.line("pull -k -o out R/samples/artifact:v2"));
    assert!(kept.stderr.contains("exists already and is kept"), "{}", kept.stderr);
}

#[test]
fn the_same_files_make_the_same_artifact_when_asked() {
    let scene = Scene::new();
    let digest = |tag: &str| {
        last_word(&scene.ok(&format!("push --reproducible R/a:{tag} readme.md details"))).to_owned()
    };
    let first = digest("1");
    scene.oras.write("details/a.md", "Detailed Content\n");
    assert_eq!(digest("2"), first);
    let described = scene.json("push --reproducible --format json R/a:3,4 readme.md details");
    assert_eq!(described["digest"], first.as_str());
    let tags = described["referenceAsTags"].as_array().expect("a list");
    assert_eq!(tags.len(), 2);
    let template = scene.line("push --reproducible R/a:5 readme.md details");
    let mut words: Vec<&str> = template.split_whitespace().collect();
    words.extend(["--format", "go-template={{.digest}} {{len .referenceAsTags}}"]);
    let run = scene.oras.run_words(&words, "");
    assert_eq!(run.stdout, format!("{first} 1"), "{}", run.stderr);
}

#[test]
fn standard_input_becomes_a_file_and_a_file_standard_output() {
    let scene = Scene::new();
    let line = scene.line("push --stdin-name s.txt --stdin-type text/plain R/s:1 -");
    let words: Vec<&str> = line.split_whitespace().collect();
    let run = scene.oras.run_words(&words, "from standard input");
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(scene.ok("pull -o - R/s:1"), "from standard input");
    let manifest = scene.json("manifest fetch R/s:1");
    assert_eq!(manifest["layers"][0]["mediaType"], "text/plain");
}

#[test]
fn files_that_are_asked_for_must_be_there() {
    let scene = Scene::new();
    scene.ok("push R/inc:1 readme.md details");
    let refused = |line: &str, named: &str| {
        let there = "There are: details, readme.md. A directory is one of them, and pulled whole";
        let run = scene.oras.run(&scene.line(line));
        let expected = format!("Error: no file is named {named}\n{there}\n");
        assert!(run.code == 1 && run.stderr.ends_with(&expected), "{line}: {}", run.stderr);
    };
    refused("pull -o out --include nope R/inc:1", "\"nope\"");
    refused("pull -o - --include nope R/inc:1", "\"nope\"");
    refused("pull -o out --include details/* R/inc:1", "\"details/*\"");
    refused("pull -o out --include *.md --include nope R/inc:1", "\"nope\"");
    assert!(!scene.oras.work().join("out").exists(), "nothing is made");
    scene.ok("pull -o out --include *.md --include *.sig R/inc:1");
}

#[test]
fn large_files_are_told_of_like_small_ones() {
    let scene = Scene::new();
    let large: String = (0..3_000_000).map(|number| format!("{number:07}\n")).collect();
    scene.oras.write("large.txt", &large);
    let pushed = scene.oras.run(&scene.line("push R/large:1 large.txt readme.md"));
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let lines: Vec<&str> = pushed.stdout.lines().filter(|line| line.ends_with("large.txt")).collect();
    assert!(
        matches!(lines[..], ["Preparing large.txt", up, done]
        if up.starts_with("Uploading ") && done.starts_with("Uploaded ")),
        "{}",
        pushed.stdout
    );
    let again = scene.oras.run(&scene.line("push R/large:2 large.txt readme.md"));
    // The rest depends on whether the second has passed that is part of the manifest.
    let told: Vec<&str> = again.stdout.lines().filter(|line| line.ends_with("large.txt")).collect();
    assert!(
        matches!(told[..], ["Preparing large.txt", exists] if exists.starts_with("Exists "))
            && again.code == 0,
        "{}{}",
        again.stdout,
        again.stderr
    );
    let blob = scene.json("blob push --descriptor R/other large.txt");
    assert_eq!(blob["size"], large.len());
    assert_eq!(
        scene.ok(&format!("blob fetch -o - R/other@{}", blob["digest"].as_str().expect("a digest"))),
        large
    );
    scene.ok("pull -o out R/large:1");
    assert_eq!(std::fs::read_to_string(scene.oras.work().join("out/large.txt")).expect("a file"), large);
    let missing = scene.oras.run(&scene.line("push R/none:1 large.txt missing.txt"));
    assert!(
        missing.stderr.starts_with("Error: failed to find") || missing.stderr.contains("missing.txt"),
        "{}",
        missing.stderr
    );
    assert!(!missing.stderr.contains("Uploading"), "nothing is on its way: {}", missing.stderr);
}

#[test]
fn pipes_are_files_too() {
    let scene = Scene::new();
    let run = |line: &str| {
        let line = scene.line(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let run = scene.oras.run_words(&words, "through a pipe");
        assert_eq!(run.code, 0, "{line}: {}", run.stderr);
        run.stdout
    };
    run("push --disable-path-validation R/pipe:1 /dev/stdin:text/plain");
    assert_eq!(scene.ok("pull -o - R/pipe:1"), "through a pipe");
    let blob: Value = serde_json::from_str(&run("blob push --descriptor R/pipe /dev/stdin")).expect("JSON");
    assert_eq!(blob["size"], "through a pipe".len());
}

#[test]
fn referrers_are_discovered_copied_and_deleted_with_their_subject() {
    let scene = Scene::new();
    let image = last_word(&scene.ok("push R/app:v1 readme.md")).to_owned();
    let attach = |reference: &str, kind: &str| {
        last_word(&scene.ok(&format!("attach --artifact-type {kind} -a k={kind} {reference} readme.md")))
            .to_owned()
    };
    let sbom = attach("R/app:v1", "sbom/example");
    let attached = scene.ok("attach --artifact-type signature/example -a n=1 R/app:v1");
    assert!(
        attached.starts_with(&scene.line(&format!("Attached to [registry] R/app@{image}\nDigest: "))),
        "{attached}"
    );
    let signature = attach(&format!("R/app@{sbom}"), "signature/example");

    let tree = scene.ok("discover R/app:v1");
    assert!(tree.starts_with(&scene.line(&format!("R/app@{image}\n"))), "{tree}");
    // The signature of the SBOM hangs below it, wherever that is.
    let below = tree.split(&sbom).nth(1).unwrap_or_default();
    let signed = below.lines().find(|line| line.contains(&signature)).unwrap_or_default();
    assert!(signed.contains("        └── sha256:") || signed.contains("            └── "), "{tree}");
    let deprecated = scene.json("discover -o json --artifact-type sbom/example R/app:v1");
    assert_eq!(deprecated["manifests"][0]["digest"], sbom.as_str());
    let today = scene.json("discover --format json --depth 1 R/app:v1");
    assert!(today.get("manifests").is_none());
    assert_eq!(today["referrers"].as_array().map(Vec::len), Some(2));

    let copied = scene.ok("cp -r R/app:v1 R/staging/app:v1,v2");
    let expected =
        format!("Copied [registry] R/app:v1 => [registry] R/staging/app:v1\nTagged v2\nDigest: {image}\n");
    assert_eq!(copied, scene.line(&expected));
    assert!(scene.ok("discover R/staging/app:v1").contains(&signature));
    scene.ok("cp -r --exclude-referrer-type sbom/example R/app:v1 R/less/app:v1");
    let less = scene.ok("discover R/less/app:v1");
    assert!(less.contains("signature/example") && !less.contains("sbom/example"), "{less}");

    let run = scene.oras.run_words(
        &scene.line("manifest delete --recursive R/staging/app:v1").split(' ').collect::<Vec<_>>(),
        "n\n",
    );
    assert_eq!(run.code, 0);
    assert!(run.stdout.ends_with(" [y/N] Operation cancelled.\n"), "{}", run.stdout);
    assert!(run.stderr.contains("in this order:\n") && run.stderr.contains(&sbom), "{}", run.stderr);
    let deleted = scene.ok("manifest delete -f --recursive R/staging/app:v1");
    assert!(deleted.ends_with(&scene.line("Deleted [registry] R/staging/app:v1\n")), "{deleted}");
    assert_eq!(scene.ok("manifest delete -f R/staging/app:v1"), scene.line("Missing R/staging/app:v1\n"));
}

#[test]
fn tags_come_and_go() {
    let scene = Scene::new();
    let digest = last_word(&scene.ok("push R/t:v1 readme.md")).to_owned();
    let tagged = scene.ok("tag R/t:v1 v2 v3");
    assert!(tagged.starts_with(&scene.line(&format!("Tagging [registry] R/t@{digest}\n"))), "{tagged}");
    assert_eq!(scene.ok("repo tags R/t"), "v1\nv2\nv3\n");
    assert_eq!(
        scene.ok("tag rm R/t:v1,v2"),
        scene.line("Untagged [registry] R/t:v1\nUntagged [registry] R/t:v2\n")
    );
    assert_eq!(scene.json("repo tags --format json R/t"), serde_json::json!({"tags": ["v3"]}));
    assert_eq!(scene.ok("resolve R/t:v3"), format!("{digest}\n"));
    assert_eq!(scene.ok("resolve -l R/t:v3"), scene.line(&format!("R/t@{digest}\n")));
    scene.oras.fails(
        &scene.line("resolve R/t:v1"),
        &scene.line("Error response from registry: failed to resolve digest: R/t:v1: not found"),
    );
    assert!(scene.ok("repo ls R/").lines().any(|name| name == "t"));
}

#[test]
fn blobs_and_manifests_by_themselves() {
    let scene = Scene::new();
    let pushed = scene.ok("blob push R/b readme.md");
    assert_eq!(pushed, scene.line(&format!("Pushed: [registry] R/b\nDigest: {README}\n")));
    assert_eq!(scene.ok(&format!("blob fetch -o - R/b@{README}")), "Readme Content\n");
    assert_eq!(
        scene.ok(&format!("blob fetch --descriptor R/b@{README}")),
        format!(r#"{{"mediaType":"application/octet-stream","digest":"{README}","size":15}}"#)
    );
    scene.ok("push R/b:v1 readme.md");
    let bytes = scene.ok("manifest fetch R/b:v1");
    assert!(!bytes.ends_with('\n'));
    scene.oras.write("m.json", &bytes);
    let again = scene.ok("manifest push R/b:again m.json");
    assert!(again.starts_with(&scene.line("Pushed: [registry] R/b:again\nDigest: sha256:")), "{again}");
    assert_eq!(scene.ok("manifest fetch R/b:again"), bytes);
    assert_eq!(scene.ok("manifest fetch --pretty R/b:again").lines().nth(1), Some("  \"schemaVersion\": 2,"));
    assert_eq!(scene.json("manifest fetch --format json R/b:v1")["content"]["schemaVersion"], 2);
    assert_eq!(scene.ok("manifest fetch-config R/b:v1"), "{}");
    let deleted = scene.ok(&format!("blob delete -f R/b@{README}"));
    assert_eq!(deleted, scene.line(&format!("Deleted [registry] R/b@{README}\n")));
}

#[test]
fn indexes_are_made_and_changed() {
    let scene = Scene::new();
    scene.ok("push --artifact-platform linux/amd64 R/i:amd readme.md");
    scene.ok("push --artifact-platform linux/arm64 R/i:arm details");
    let created = scene.ok("manifest index create -a k=v R/i:all,latest amd arm");
    assert!(
        created.starts_with(&scene.line("Pushed    [registry] R/i:all\nTagged latest\nDigest: ")),
        "{created}"
    );
    let index = scene.json("manifest fetch R/i:all");
    assert_eq!(index["manifests"][1]["platform"]["architecture"], "arm64");
    let arm = index["manifests"][1]["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(scene.ok("resolve --platform linux/arm64 R/i:all"), format!("{arm}\n"));
    scene.ok(&format!("manifest index update R/i:all --remove {arm}"));
    assert_eq!(scene.json("manifest fetch R/i:all")["manifests"].as_array().map(Vec::len), Some(1));
    assert_eq!(scene.ok("manifest index update R/i:all"), "Nothing to update as no change is requested\n");
    scene.ok("cp --platform linux/amd64,linux/arm64 R/i:latest --to-oci-layout lay:both");
    assert_eq!(scene.ok("repo tags --oci-layout lay"), "both\n");
}

/// What real ORAS 1.3.3 shows for a file that is in an artifact twice, and for an empty configuration of another type.
#[test]
fn the_same_bytes_under_another_name_are_told_of() {
    let scene = Scene::new();
    scene.oras.write("twin.md", "Readme Content\n");
    scene.ok("push R/twins:1 readme.md twin.md");
    let copied = scene.oras.run(&scene.line("cp R/twins:1 --to-oci-layout lay:1"));
    let lines: Vec<&str> = copied.stdout.lines().collect();
    let position = |start: &str| lines.iter().position(|line| line.starts_with(start));
    let skipped = position("Skipped 2fdeac43552b ").unwrap_or_else(|| panic!("{}", copied.stdout));
    assert!(
        lines[skipped - 1].starts_with("Copying ") && lines[skipped + 1].starts_with("Copied "),
        "{lines:?}"
    );
    assert_eq!(copied.stdout.matches("Copied  2fdeac43552b ").count(), 1, "{}", copied.stdout);
    // Without status between a script and its result.
    assert_eq!(scene.ok("backup -o twins R/twins:1").lines().count(), 3);
    assert!(!scene.oras.work().join("twins/ingest").exists(), "nothing is on its way any more");
}

#[test]
fn scripts_find_the_words_they_look_for() {
    let scene = Scene::new();
    scene.ok("push --artifact-platform linux/amd64 R/words/one:v1 readme.md");
    scene.ok("push R/words/two:v1 readme.md");
    scene.ok("manifest index create R/words/one:all v1");
    let listed = scene.json("repo ls --format json R/words");
    assert_eq!(listed["registry"], scene.line("R/").trim_end_matches('/'));
    assert_eq!(listed["repositories"], serde_json::json!(["words/one", "words/two"]));
    let chosen = scene.json("manifest fetch --descriptor --platform linux/amd64 R/words/one:all");
    assert_eq!(chosen["platform"], serde_json::json!({"architecture": "amd64", "os": "linux"}));
    let index = scene.json("manifest index create R/words/one --output - v1");
    assert_eq!(index["manifests"][0]["digest"], chosen["digest"]);
    for (line, expected) in [
        (
            "repo ls R/words/one:v1",
            "Error: could not parse repository path: tags or digests should not be provided",
        ),
        ("push /words readme.md", "invalid reference: invalid registry \"\""),
        ("backup -o b R/words/one:no", "Error: failed to resolve tag \"no\": R/words/one:no: not found"),
        ("restore --input details R/words/three", "Error: no tags found in OCI layout \"details\""),
        ("manifest index update R/words/one:all --artifact-type no", "no: invalid media type"),
        ("attach --artifact-type a/b R/words/one", "Are you missing an artifact reference to attach to?"),
    ] {
        let run = scene.oras.run(&scene.line(line));
        assert_eq!(run.code, 1, "{line}");
        assert!(run.stderr.contains(&scene.line(expected)), "{line}: {}", run.stderr);
    }
}

/// As ORAS 1.3.3 answers.
#[test]
fn layouts_say_what_their_index_says_of_a_tag() {
    let scene = Scene::new();
    scene.ok("push --oci-layout shelf:v1 readme.md");
    scene.ok("tag --oci-layout shelf:v1 r.example/foo:latest r.example/foo:v1.2 other.example/bar:v9");
    let names = |line: &str| scene.ok(line).lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names("repo tags --oci-layout-path shelf r.example/foo"), ["latest", "v1.2"]);
    assert_eq!(names("repo tags --oci-layout-path shelf r.example/foo:latest").len(), 4);
    let named = serde_json::json!({"org.opencontainers.image.ref.name": "v1"});
    let mut expected = scene.json("manifest fetch --oci-layout shelf:v1")["annotations"].clone();
    expected["org.opencontainers.image.ref.name"] = named["org.opencontainers.image.ref.name"].clone();
    for line in
        ["manifest fetch --descriptor --oci-layout shelf:v1", "discover --format json --oci-layout shelf:v1"]
    {
        assert_eq!(scene.json(line)["annotations"], expected, "{line}");
    }
    let digest = scene.ok("resolve --oci-layout shelf:v1").trim().to_owned();
    let by_digest = scene.json(&format!("manifest fetch --descriptor --oci-layout shelf@{digest}"));
    assert!(by_digest.get("annotations").is_none(), "{by_digest}");
    assert_eq!(
        scene.ok(&format!("blob delete --force --oci-layout nowhere/at/all@{digest}")).trim(),
        format!("Missing nowhere/at/all@{digest}")
    );
    assert!(!scene.oras.work().join("nowhere").exists());
}

#[test]
fn copies_say_that_they_resolve_where_nothing_is_tagged() {
    let scene = Scene::new();
    scene.ok("push R/there:v1 readme.md");
    let resolving = "Error response from registry: failed to resolve no: R/there:no: not found";
    for (line, expected) in [
        ("cp R/there:no --to-oci-layout away", resolving),
        ("cp R/there:no R/here", resolving),
        ("cp -r R/there:no R/here:v1", resolving),
        ("cp R/there:no R/here:v1", "Error from source registry for \"R/there:no\": R/there:no: not found"),
    ] {
        let run = scene.oras.run(&scene.line(line));
        assert_eq!((run.stderr.trim_end(), run.code), (scene.line(expected).as_str(), 1), "{line}");
    }
}

#[test]
fn a_repository_goes_into_an_archive_and_comes_back() {
    let scene = Scene::new();
    scene.ok("push R/old:v1,v2 readme.md");
    scene.ok("attach --artifact-type sbom/example -a k=v R/old:v1");
    let backup = scene.ok("backup --include-referrers -o old.tar R/old");
    assert!(
        backup
            .starts_with(&scene.line("Found 2 tag(s) in R/old: v1, v2\nPulled tag v1 with 1 referrer(s)\n")),
        "{backup}"
    );
    let dry = scene.ok("restore --input old.tar --dry-run R/new");
    assert!(
        dry.contains("Dry run: would push tag v2 with 1 referrer(s)\n")
            && dry.ends_with("(no data pushed)\n"),
        "{dry}"
    );
    let restored = scene.ok("restore --input old.tar R/new");
    assert!(restored.contains("Pushed tag v1 with 1 referrer(s)\n"), "{restored}");
    assert_eq!(scene.ok("discover R/new:v1").lines().nth(1), Some("└── sbom/example"));
}

#[test]
fn references_complete_from_the_registry() {
    let scene = Scene::new();
    scene.ok("push R/demo/app:v1,v2 readme.md");
    assert_eq!(scene.ok("__complete pull R/demo/"), scene.line("R/demo/app\n:6\n"));
    assert_eq!(scene.ok("__complete pull R/demo/app:v"), scene.line("R/demo/app:v1\nR/demo/app:v2\n:6\n"));
    assert!(scene.ok("__complete pus").starts_with("push\tPush files"));
}

#[test]
fn the_debug_log_has_the_known_form() {
    let scene = Scene::new();
    let run = scene.oras.run(&scene.line("repo tags -d -H X-Secret:hidden R/nothing"));
    assert!(run.stderr.contains("][DEBUG]: --> Request #0\n> Request URL: \"http://"), "{}", run.stderr);
    assert!(run.stderr.contains("> Request method: \"GET\"\n> Request headers:\n"), "{}", run.stderr);
    assert!(
        run.stderr.contains("   \"X-Secret\": \"*****\"\n") && !run.stderr.contains("hidden"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("< Response Status: \"404 Not Found\"\n"), "{}", run.stderr);
    let user_agent = format!("   \"User-Agent\": \"tidewaiter/{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(run.stderr.contains(&user_agent), "{}", run.stderr);
    assert!(run.stderr.contains("Error response from registry: name unknown: "), "{}", run.stderr);
    let registry = answering("200 OK", r#"{"name":"a","tags":[]}"#);
    let run = scene.oras.run(&format!("repo tags -d {registry}/a"));
    assert!(run.stderr.contains("   \"Etag\": \"\\\"x\\\"\"\n"), "{}", run.stderr);
}
