//! What a command was asked for and cannot give is said, and nothing is done by halves instead.

use tidewaiter_testkit::ServerProcess;

use crate::oras::{Oras, Run, embedded_registry};

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// A registry with an index of two images, tagged `all`, and a signature of the index.
struct Scene {
    oras: Oras,
    registry: ServerProcess,
}

impl Scene {
    fn new() -> Self {
        let oras = Oras::new();
        let registry = embedded_registry(&oras.bin().join("data"));
        let scene = Self { oras, registry };
        scene.oras.write("hello.txt", "hello");
        for architecture in ["amd64", "arm64"] {
            let platform = format!("linux/{architecture}");
            scene.ok(&format!(
                "push --artifact-platform {platform} --artifact-type a/b R/app:{architecture} hello.txt"
            ));
        }
        scene.ok("manifest index create R/app:all amd64 arm64");
        scene.ok("attach --artifact-type sig/example R/app:all hello.txt");
        scene
    }

    fn line(&self, text: &str) -> String {
        text.replace("R/", &format!("{}/", self.registry.host()))
    }

    fn run(&self, line: &str) -> Run {
        self.oras.run(&self.line(line))
    }

    fn ok(&self, line: &str) -> String {
        self.oras.ok(&self.line(line))
    }
}

#[test]
fn a_copy_has_the_digest_it_is_copied_to_or_is_not_made() {
    let scene = Scene::new();
    let run = scene.run(&format!("cp R/app:amd64 R/copy@{DIGEST}"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains(": what is to be copied has the digest sha256:"), "{run:?}");
    assert!(!scene.ok("repo ls R/").contains("copy"), "nothing was copied");
    let digest = scene.ok("resolve R/app:amd64");
    scene.ok(&format!("cp R/app:amd64 R/copy@{}", digest.trim()));

    let run = scene.run(&format!("manifest index create R/app@{DIGEST} amd64"));
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains(": the index that is to be pushed has the digest sha256:"), "{run:?}");
}

#[test]
fn what_refers_to_an_index_that_is_not_copied_is_told_of() {
    let scene = Scene::new();
    let some = "--platform linux/amd64 --platform linux/arm64";
    let whole = scene.run(&format!("cp -r {some} R/app:all R/whole:all"));
    assert_eq!((whole.code, whole.stderr.contains("Not copied")), (0, false), "{whole:?}");
    scene.ok("push --artifact-platform linux/s390x --artifact-type a/b R/app:s390x hello.txt");
    scene.ok("manifest index create R/app:more amd64 arm64 s390x");
    scene.ok("attach --artifact-type sig/example R/app:more hello.txt");
    let part = scene.run(&format!("cp -r {some} R/app:more R/part:some"));
    assert_eq!(part.code, 0, "{part:?}");
    assert!(part.stderr.contains("Not copied: what refers to the index sha256:"), "{part:?}");
    let filtered = scene.run(&format!("cp -r --referrer-type sbom/x {some} R/app:more R/part:other"));
    assert!(!filtered.stderr.contains("Not copied"), "{filtered:?}");
}

#[test]
fn tags_that_are_given_are_told_of() {
    let scene = Scene::new();
    assert!(scene.ok("cp R/app:amd64 R/copy,second").contains("Tagged second\n"));
    let copied = scene.ok("cp R/app:amd64 R/copy:first,second");
    assert!(copied.contains("Tagged second\n") && !copied.contains("Tagged first\n"), "{copied}");
}

#[test]
fn an_index_that_loses_what_it_lists_is_told_of() {
    let scene = Scene::new();
    let run = scene.run("manifest delete -r --force R/app:amd64");
    assert_eq!(run.code, 0, "{run:?}");
    let told = "Tags of indexes that list some of it, and will be incomplete:\n  all\n";
    assert!(run.stderr.contains(told), "{run:?}");
}

#[test]
fn standard_output_is_content_or_a_result() {
    let scene = Scene::new();
    let run = scene.run("pull -o - --format json R/app:amd64");
    let expected = "Error: `--output -` cannot be used with `--format json` at the same time\n";
    assert_eq!((run.stderr.as_str(), run.stdout.as_str(), run.code), (expected, "", 1));
}

/// A registry that wants a name and a password, and none are known.
#[test]
fn a_copy_says_where_credentials_are_looked_for() {
    let oras = Oras::new();
    oras.write("htpasswd", "");
    let scene = Scene::new();
    let closed = embedded_registry_with(&oras, &["--htpasswd", "htpasswd", "--challenge", "basic"]);
    let host = closed.host();
    let line = scene.line(&format!("cp R/app:amd64 {host}/app:amd64"));
    let run = scene.oras.run(&line);
    assert_eq!(run.code, 1, "{run:?}");
    let expected =
        format!("Error from destination registry for \"{host}/app:amd64\": basic credential not found\n");
    assert!(run.stderr.starts_with(&expected), "{run:?}");
    assert!(run.stderr.contains("Please check whether the registry credential stored in"), "{run:?}");
}

fn embedded_registry_with(oras: &Oras, flags: &[&str]) -> ServerProcess {
    let address = tidewaiter_testkit::free_address();
    let mut command = oras.command(env!("CARGO_BIN_EXE_tidewaiter"));
    command.args(["registry", "serve", "--data", "closed", "--listen", &address.to_string()]).args(flags);
    ServerProcess::start("tidewaiter registry serve", command, address)
}
