//! What the image configuration says, and what becomes of a broken one.

mod support;

use support::{file, problems, read, tar};
use tidewaiter_inventory::{Fragment, Inventory, LayerSource, ManifestFacts, merge};

fn layers() -> Vec<Fragment> {
    vec![read(&tar(&[file("a", "1")])), read(&tar(&[file("b", "2")]))]
}

fn with_config(config: &str) -> Inventory {
    let layers = layers();
    let source = |digest: &str| LayerSource { digest: digest.to_owned(), ..LayerSource::default() };
    let manifest = ManifestFacts {
        layers: vec![source("sha256:one"), source("sha256:two")],
        ..ManifestFacts::default()
    };
    merge(&layers.iter().collect::<Vec<_>>(), config.as_bytes(), &manifest)
}

#[track_caller]
fn check_problems(config: &str, expect: &[&str]) {
    assert_eq!(problems(&with_config(config)), expect);
}

#[test]
fn the_configuration_is_read() {
    let [one, two] = [0, 1].map(|index| layers()[index].diff_id.clone());
    let facts = with_config(&format!(
        r#"{{
            "architecture": "arm64", "os": "linux", "variant": "v8", "created": "2026-01-02T03:04:05Z", "author": "somebody",
            "config": {{
                "Env": ["PATH=/bin"], "Entrypoint": ["/app"], "Cmd": null, "User": "65532",
                "Labels": {{"org.opencontainers.image.source": "x"}}
            }},
            "rootfs": {{"type": "layers", "diff_ids": ["{one}", "{two}"]}},
            "history": [
                {{"created_by": "ADD rootfs", "created": "2026-01-01T00:00:00Z"}},
                {{"created_by": "ENV PATH", "empty_layer": true, "comment": "buildkit"}},
                {{"created_by": "COPY b", "unknown": 7}}
            ]
        }}"#
    ));
    assert_eq!(problems(&facts), [""; 0]);
    let image = facts.image;
    assert_eq!(
        (image.os.as_str(), image.architecture.as_str(), image.variant.as_deref()),
        ("linux", "arm64", Some("v8"))
    );
    assert_eq!(image.author.as_deref(), Some("somebody"));
    assert_eq!(
        (image.env, image.entrypoint, image.cmd, image.user),
        (vec!["PATH=/bin".into()], vec!["/app".into()], vec![], "65532".into())
    );
    assert_eq!(image.labels.len(), 1);
    assert_eq!(image.history.len(), 3);
    assert!(image.history[1].empty_layer);
    let layers: Vec<_> = image
        .layers
        .iter()
        .map(|layer| (layer.ordinal, layer.digest.as_str(), layer.created_by.as_deref()))
        .collect();
    assert_eq!(layers, [(0, "sha256:one", Some("ADD rootfs")), (1, "sha256:two", Some("COPY b"))]);
    assert_eq!(image.layers[1].diff_id, two);
    assert_eq!(image.layers[1].uncompressed_size, 2048);
}

#[test]
fn a_broken_configuration_costs_only_what_is_broken() {
    check_problems("", &[]);
    check_problems("{}", &[]);
    check_problems(
        "[]",
        &["-: the image configuration is not a JSON object; platform, labels and history are unknown"],
    );
    check_problems(
        "{\"os\":",
        &[
            "-: the image configuration is not JSON (EOF while parsing a value at line 1 column 6); platform, labels and history are unknown",
        ],
    );
    let config = r#"{"os": 7, "architecture": "amd64", "config": {"Env": ["A=1", 2], "User": "root"}, "history": [{"created_by": []}, {}]}"#;
    check_problems(
        config,
        &[
            "-: config.Env in the image configuration is not a list of texts; it is left out",
            "-: history.created_by in the image configuration is not a text; it is left out",
            "-: os in the image configuration is not a text; it is left out",
        ],
    );
    let image = with_config(config).image;
    assert_eq!((image.architecture.as_str(), image.user.as_str(), image.history.len()), ("amd64", "root", 2));
}

#[test]
fn contradictions_between_configuration_and_layers_are_told() {
    check_problems(
        r#"{"history": [{"created_by": "one"}]}"#,
        &[
            "-: the history has 1 entries with a layer, but the image has 2 layers; layers are shown without their entry",
        ],
    );
    let diff_id = layers()[1].diff_id.clone();
    let other = "sha256:0000";
    check_problems(
        &format!(r#"{{"rootfs": {{"diff_ids": ["{other}", "{diff_id}", "sha512:x"]}}}}"#),
        &[
            &format!(
                "-: layer 0 unpacks to {}, but the image configuration says {other:?}",
                layers()[0].diff_id
            ),
            "-: the image configuration lists 3 layers, but the manifest has 2",
        ],
    );
}
