//! Rules over flags and arguments, and the words in which the commands on artifacts refuse: those of ORAS 1.3.

use crate::oras::{Oras, answering};

const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

#[test]
fn secrets_come_one_way() {
    let oras = Oras::new();
    for (line, expected) in [
        (
            "login -u a --identity-token t r.example",
            "--username, --identity-token cannot be used at the same time",
        ),
        (
            "repo ls -u a --identity-token-stdin r.example",
            "--username, --identity-token-stdin cannot be used at the same time",
        ),
        (
            "repo ls -p a --password-stdin r.example",
            "--password, --password-stdin cannot be used at the same time",
        ),
        (
            "repo ls -p a --identity-token t r.example",
            "--password, --identity-token cannot be used at the same time",
        ),
        ("repo ls --cert-file c r.example", "--cert-file must be used in conjunction with --key-file"),
        ("repo ls --key-file k r.example", "--key-file must be used in conjunction with --cert-file"),
        (
            "cp --from-password a --from-identity-token t r.example/a:b r.example/c",
            "--from-password, --from-identity-token cannot be used at the same time",
        ),
        (
            "pull --oci-layout --oci-layout-path p d:v",
            "--oci-layout, --oci-layout-path cannot be used at the same time",
        ),
        ("pull --oci-layout -H a:b d:v", "custom header flags cannot be used on an OCI image layout target"),
        ("repo ls -H abc r.example", "invalid header: \"abc\""),
        (
            "repo ls --resolve a r.example",
            "failed to parse resolve flag \"a\": expecting host:port:address[:address_port]",
        ),
        (
            "repo ls --resolve a:b:c r.example",
            "failed to parse resolve flag \"a:b:c\": expecting uint64 host port",
        ),
        ("repo ls --resolve a:1:c r.example", "failed to parse resolve flag \"a:1:c\": invalid IP address"),
        (
            "repo ls --resolve a:1:10.0.0.1:x r.example",
            "failed to parse resolve flag \"a:1:10.0.0.1:x\": expecting uint64 address port",
        ),
    ] {
        oras.fails(line, &format!("Error: {expected}"));
    }
}

#[test]
fn secrets_on_the_command_line_are_warned_about() {
    let oras = Oras::new();
    let run = oras.run("repo ls -u a -p b --resolve x r.example");
    assert!(
        run.stderr.starts_with("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    );
    let run = oras.run("repo ls --identity-token b --resolve x r.example");
    assert!(run.stderr.starts_with(
        "WARNING! Using --identity-token via the CLI is insecure. Use --identity-token-stdin.\n"
    ));
}

#[test]
fn standard_input_is_read_once() {
    let oras = Oras::new();
    oras.fails(
        "manifest push --password-stdin r.example/a:b -",
        "Error: `-` read file from input and `--password-stdin` read password from input cannot be both used",
    );
    oras.fails("blob push r.example/a -", "Error: `--size` must be provided if the blob is read from stdin");
    oras.fails(
        "blob push --size 3 r.example/a -",
        "Error: content digest must be provided if it is read from stdin",
    );
}

#[test]
fn rules_of_packing() {
    let oras = Oras::new();
    oras.write("f", "x");
    oras.write("bad.json", "{\"$manifest\": 3}");
    for (line, expected) in [
        (
            "push --image-spec v1.1 --config f r.example/a:b f",
            "missing artifact type for OCI image-spec v1.1 artifacts\nGive one with `--artifact-type`, or use `--image-spec v1.0`",
        ),
        (
            "push --image-spec v1.0 --config f --artifact-type a/b r.example/a:b f",
            "--artifact-type and --config cannot both be provided for 1.0 OCI image",
        ),
        (
            "push --image-spec v1.0 --artifact-platform linux/amd64 --artifact-type a/b r.example/a:b f",
            "artifact type cannot be customized for OCI image-spec v1.0 when platform is specified\nUse `--image-spec v1.1`, or leave `--artifact-type` out",
        ),
        (
            "push --config f --artifact-platform linux/amd64 r.example/a:b f",
            "--config, --artifact-platform cannot be used at the same time",
        ),
        (
            "attach --artifact-type a/b --config f --platform linux/amd64 r.example/a:b f",
            "--config, --platform cannot be used at the same time",
        ),
        (
            "push --image-spec v9 r.example/a:b f",
            "invalid argument \"v9\" for \"--image-spec\" flag: unknown image specification flag: v9\nAvailable options: v1.1, v1.0",
        ),
        (
            "discover --distribution-spec v9 r.example/a:b",
            "invalid argument \"v9\" for \"--distribution-spec\" flag: unknown distribution specification flag: v9\nAvailable options: v1.1-referrers-tag, v1.1-referrers-api",
        ),
        (
            "push r.example/a:b /etc/hostname /etc/hosts:text/plain",
            "absolute file path detected. If it's intentional, use --disable-path-validation flag to skip this check: /etc/hostname, /etc/hosts",
        ),
        (
            "push -a x=1 --annotation-file f r.example/a:b f",
            "`--annotation` and `--annotation-file` cannot be both specified",
        ),
        (
            "push -a x r.example/a:b f",
            "annotation value doesn't match the required format\nWrite it as --annotation \"key=value\"",
        ),
        ("push -a x=1 -a x=2 r.example/a:b f", "duplicate annotation key: x, "),
        ("push r.example/a:b :text/plain", "found empty file path in \":text/plain\""),
    ] {
        oras.fails(line, &format!("Error: {expected}"));
    }
    let run = oras.run("push --annotation-file bad.json r.example/a:b f");
    assert!(
        run.stderr
            .starts_with("Error: invalid annotation json file: failed to load annotations from bad.json\n"),
        "{}",
        run.stderr
    );
    oras.fails(
        "attach --artifact-type a/b r.example/a:b",
        "Error: neither file nor annotation provided in the command\n\
         Usage: oras attach [flags] --artifact-type=<type> <name>{:<tag>|@<digest>} {<file>[:<layer_media_type>]|--annotation <key>=<value>} [...]\n\
         Give files to attach, or annotations with --annotation. Run \"oras attach -h\" for examples",
    );
}

#[test]
fn formats_and_outputs() {
    let oras = Oras::new();
    for (line, expected) in [
        ("discover --depth 0 r.example/a:b", "depth value should be at least 1"),
        (
            "discover -o yaml r.example/a:b",
            "invalid format type: \"yaml\"\nsupported types: table, json, go-template, tree",
        ),
        (
            "discover -o json --format json r.example/a:b",
            "--format, --output cannot be used at the same time",
        ),
        (
            "repo tags --format yaml r.example/a",
            "invalid format type: \"yaml\"\nsupported types: json, go-template, text",
        ),
        (
            "discover --format text r.example/a:b",
            "invalid format type: \"text\"\nsupported types: table, json, go-template, tree",
        ),
        (
            "repo tags --format go-template r.example/a",
            "\"go-template\" format specified but no template given\nGive it with `--template`, or as `--format go-template=TEMPLATE`",
        ),
        ("repo tags --template x r.example/a", "--template must be used with --format go-template"),
        (
            "manifest fetch -o - --format json r.example/a:b",
            "`--output -` cannot be used with `--format json` at the same time",
        ),
        (
            "manifest fetch -o - --descriptor r.example/a:b",
            "`--descriptor` cannot be used with `--output -` at the same time",
        ),
        (
            "manifest fetch --format json --pretty r.example/a:b",
            "--format, --pretty cannot be used at the same time",
        ),
        (
            "manifest fetch --format json --descriptor r.example/a:b",
            "--format, --descriptor cannot be used at the same time",
        ),
        (
            "manifest delete --descriptor r.example/a:b",
            "must apply --force to confirm the deletion if the descriptor is outputted",
        ),
        (
            "blob delete --descriptor r.example/a@x",
            "must apply --force to confirm the deletion if the descriptor is outputted",
        ),
        ("blob fetch r.example/a@x", "either `--output` or `--descriptor` must be provided"),
        (
            "blob fetch -o - --descriptor r.example/a@x",
            "`--output -` cannot be used with `--descriptor` at the same time",
        ),
        (
            "manifest index update --tag x --output y r.example/a:b",
            "--tag, --output cannot be used at the same time",
        ),
        ("manifest index update --remove x r.example/a:b", "remove: x is not a digest"),
        ("backup r.example/a:b", "required flag(s) \"output\" not set"),
        ("restore r.example/a:b", "required flag(s) \"input\" not set"),
        ("attach r.example/a:b f", "required flag(s) \"artifact-type\" not set"),
        ("cp --sparse r.example/a:b r.example/c", "--sparse must be used with --platform"),
        ("cp --referrer-type x r.example/a:b r.example/c", "--referrer-type must be used with --recursive"),
    ] {
        oras.fails(line, &format!("Error: {expected}"));
    }
    for layout in ["--oci-layout nothing:x", "--oci-layout-path nothing x"] {
        oras.fails(
            &format!("manifest fetch --media-type a/b {layout}"),
            "Error: `--media-type` cannot be used with `--oci-layout` at the same time",
        );
    }
}

#[test]
fn arguments_are_counted() {
    let oras = Oras::new();
    oras.fails(
        "push",
        "Error: \"oras push\" requires at least 1 argument but got 0\n\
         Usage: oras push [flags] <name>[:<tag>[,<tag>][...]] <file>[:<type>] [...]\n\
         Give the repository, and the files. Run \"oras push -h\" for examples",
    );
    oras.fails(
        "copy r.example/a:b",
        "Error: \"oras cp\" requires exactly 2 argument but got 1\n\
         Usage: oras cp [flags] <from>{:<tag>|@<digest>} <to>[:<tag>[,<tag>][...]]\n\
         Give where to copy from and where to. Run \"oras cp -h\" for examples",
    );
    for word in ["list", "ls"] {
        oras.fails(
            &format!("tag {word}"),
            &format!(
                "Error: there is no \"{word}\" sub-command for \"oras tag\" command\n\
                 Usage: oras tag [flags] <name>{{:<tag>|@<digest>}} <new_tag> [...]\n\
                 `oras repo tags` lists the tags of a repository, and with --oci-layout those of an OCI image layout"
            ),
        );
    }
}

#[test]
fn references_are_checked() {
    let oras = Oras::new();
    oras.fails(
        "pull r.example/a",
        "Error: \"r.example/a\": no tag or digest specified\n\
         Usage: oras pull [flags] <name>{:<tag>|@<digest>}\n\
         Please specify a reference as \"<name>:<tag>\" or \"<name>@<digest>\". Run \"oras pull -h\" for examples",
    );
    oras.fails(
        "blob fetch --descriptor r.example/a",
        "Error: \"r.example/a\": no digest specified\n\
         Usage: oras blob fetch [flags] {--output <file> | --descriptor} <name>@<digest>\n\
         Please specify a reference as \"<name>@<digest>\". Run \"oras blob fetch -h\" for examples",
    );
    oras.fails(
        "pull bad",
        "Error: \"bad\": invalid reference: missing registry or repository\n\
         Please make sure the provided reference is in the form of <registry>/<repo>[:tag|@digest]",
    );
    oras.fails(
        "discover r.example/a@null",
        "Error: \"r.example/a@null\": invalid reference: invalid digest \"null\"\n\
         Please make sure the provided reference is in the form of <registry>/<repo>[:tag|@digest]",
    );
    oras.fails(
        "tag bad x",
        "Error: unable to add tag for 'bad': \"bad\": invalid reference: missing registry or repository\n\
         Please make sure the provided reference is in the form of <registry>/<repo>[:tag|@digest]",
    );
    oras.fails(
        "backup -o x r.example/a@sha256:b",
        "Error: digest references are not supported: \"r.example/a@sha256:b\"",
    );
    oras.fails("backup -o x r.example/a:b,", "Error: empty tag in reference \"r.example/a:b,\"");
    oras.fails(
        "resolve --oci-layout nowhere:v1",
        "Error: invalid argument \"nowhere:v1\": failed to find path \"nowhere\": No such file or directory (os error 2)",
    );
}

#[test]
fn words_that_are_unknown() {
    let oras = Oras::new();
    oras.fails("nope", "Error: unknown command \"nope\" for \"oras\"\n`oras --help` lists the commands");
    oras.fails(
        "psh x",
        "Error: unknown command \"psh\" for \"oras\"\n\nDid you mean this?\n\tpush\n\n`oras --help` lists the commands",
    );
    oras.fails("push --nope", "Error: unknown flag: --nope");
    oras.fails("push -Z", "Error: unknown shorthand flag: 'Z' in -Z");
    oras.fails("push -a", "Error: flag needs an argument: 'a' in -a");
    oras.fails(
        "pull --concurrency x r.example/a:b",
        "Error: invalid argument \"x\" for \"--concurrency\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
    );
    oras.fails(
        "resolve --platform a/b/c/d --oci-layout x:y",
        "Error: failed to parse platform \"a/b/c/d\": expected format os[/arch[/variant]]",
    );
    let help = oras.run("manifest nope");
    assert_eq!(
        (help.code, help.stdout.starts_with("Show, push and delete manifests and indexes\n")),
        (0, true)
    );
}

#[test]
fn deprecated_flags_are_told_of() {
    let oras = Oras::new();
    let run = oras.run("repo tags --verbose");
    assert!(
        run.stderr
            .starts_with("Flag --verbose has been deprecated, and will be removed in a future release.\n")
    );
    let run = oras.run("version now");
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("Version:    1.3.3\n"), "{}", run.stdout);
    assert_eq!(run.stderr, "warning: `oras version` requires no argument, \"now\" will be ignored\n");
}

#[test]
fn tables_are_deprecated() {
    let oras = Oras::new();
    for (line, told) in [("--format table", true), ("-o table", true), ("--format tree", false)] {
        let run = oras.run(&format!("discover {line} localhost:1/a:b"));
        let notice = "Format \"table\" is deprecated and will be removed in a future release.\n";
        assert_eq!(run.stderr.contains(notice), told, "{}", run.stderr);
    }
}

#[test]
fn completion_offers_the_formats_that_a_command_takes() {
    let oras = Oras::new();
    let names = |line: &str| -> Vec<String> {
        let mut words = line.split(' ').collect::<Vec<_>>();
        words.push("");
        let run = oras.run_words(&words, "");
        let lines = run.stdout.lines().filter(|line| !line.starts_with(':'));
        lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("__complete discover --format"), ["table", "json", "go-template=", "tree"]);
    assert_eq!(names("__complete discover -o"), ["table", "json", "tree"]);
    for command in ["push", "pull", "attach", "manifest fetch", "repo ls", "repo tags"] {
        let offered = names(&format!("__complete {command} --format"));
        assert_eq!(offered, ["json", "go-template=", "text"], "{command}");
    }
}

#[test]
fn what_a_registry_says_of_an_error_is_shown_as_go_shows_it() {
    let oras = Oras::new();
    let body = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such name","detail":{"name":"nope","n":[1,2]}},
                             {"code":"DENIED","detail":"hidden"}]}"#;
    let registry = answering("404 Not Found", body);
    oras.fails(
        &format!("repo tags {registry}/nope"),
        "Error response from registry: name unknown: no such name: map[n:[1 2] name:nope]; denied",
    );
}

#[test]
fn templates_may_ask_for_the_machine() {
    let oras = Oras::new();
    let registry = answering("200 OK", r#"{"name":"a","tags":["v1"]}"#);
    let rendered = |template: &str| {
        let run = oras.run_words(
            &["repo", "tags", "--format", "go-template", "--template", template, &format!("{registry}/a")],
            "",
        );
        assert_eq!(run.code, 0, "{}", run.stderr);
        run.stdout
    };
    let home = oras.bin().join("home").display().to_string();
    assert_eq!(rendered("{{env \"HOME\"}} {{expandenv \"${HOME}/x\"}}"), format!("{home} {home}/x"));
    assert_eq!(
        rendered("{{len uuidv4}} {{len (randAlphaNum 7)}} {{getHostByName \"127.0.0.1\"}}"),
        "36 7 127.0.0.1"
    );
}

#[test]
fn registries_cannot_forge_lines() {
    let oras = Oras::new();
    let registry = answering("200 OK", r#"{"name":"a","tags":["v1","v2\nforged\r\u001b[2K","v3"]}"#);
    assert_eq!(oras.ok(&format!("repo tags {registry}/a")), "v1\nv2forged\nv3\n");
    let whole: serde_json::Value =
        serde_json::from_str(&oras.ok(&format!("repo tags --format json {registry}/a"))).expect("JSON");
    assert_eq!(whole["tags"][1], "v2\nforged\r\u{1b}[2K");
    assert_eq!(
        oras.ok(&format!("__complete pull {registry}/a:")),
        format!("{registry}/a:v1\n{registry}/a:v3\n:6\n")
    );
    let registry = answering("200 OK", r#"{"repositories":["a","b\nforged"]}"#);
    assert_eq!(oras.ok(&format!("repo ls {registry}")), "a\nbforged\n");
}

/// A TLS server that nobody vouches for; nothing is ever asked of it. Gives its address.
fn unvouched() -> String {
    let key = rcgen::generate_simple_self_signed(["registry.test".to_owned()]).expect("a key can be made");
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .expect("they belong together");
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).expect("valid");
            // The client leaves when it has seen the certificate.
            let _ = tls.complete_io(&mut stream);
        }
    });
    address
}

#[test]
fn who_is_not_trusted_may_be_by_a_flag() {
    let (oras, server) = (Oras::new(), unvouched());
    let run = oras.run(&format!("repo tags --plain-http=false {server}/a"));
    assert!(run.stderr.contains("signed by nobody we trust"), "{}", run.stderr);
    assert!(run.stderr.contains("`--ca-file FILE`") && run.stderr.contains("`--insecure`"), "{}", run.stderr);
}

#[test]
fn what_cannot_be_reached_is_no_answer_of_a_registry() {
    let oras = Oras::new();
    // Nobody listens on port 1.
    let run = oras.run("repo tags localhost:1/a");
    assert!(run.stderr.starts_with("Error: GET \"http://localhost:1/v2/a/tags/list"), "{}", run.stderr);
    assert_eq!(run.code, 1);
    let run = oras.run(&format!("blob fetch --descriptor localhost:1/a@{DIGEST}"));
    assert!(run.stderr.starts_with("Error: HEAD \"http://localhost:1/v2/a/blobs/sha256"), "{}", run.stderr);
}

#[test]
fn a_time_that_is_none_is_named() {
    let oras = Oras::new();
    oras.write("hello.txt", "hello");
    for text in ["soon", "99999999999999999"] {
        let mut command = oras.command(oras.bin().join("oras"));
        command.args(["push", "--oci-layout", "l:1", "hello.txt"]).env("SOURCE_DATE_EPOCH", text);
        let run = crate::oras::Run::of(command.output().expect("the program runs"));
        let expected = format!("Error: SOURCE_DATE_EPOCH is not a time in seconds since 1970: {text}\n");
        assert_eq!((run.stderr.as_str(), run.code), (expected.as_str(), 1));
    }
}
