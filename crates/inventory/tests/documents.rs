//! The documents an inventory is written down in, byte by byte.

mod support;

use support::{file, image, symlink};
use tidewaiter_inventory::Inventory;
use tidewaiter_inventory::sbom::{Subject, cyclonedx, list, scout, spdx};

fn alpine() -> Inventory {
    let six = "usr/lib/python3.11/site-packages/six.egg-info";
    image(&[
        vec![
            symlink("lib", "usr/lib"),
            file("usr/lib/os-release", "ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n"),
            file(
                "lib/apk/db/installed",
                format!("P:py3-six\nV:1.16.0-r8\nA:x86_64\no:six\nL:MIT\nF:{six}\nR:PKG-INFO\n"),
            ),
            file(&format!("{six}/PKG-INFO"), "Name: six\nVersion: 1.16.0\nLicense: MIT\n"),
        ],
        vec![
            file(
                "app/node_modules/@s/a/package.json",
                r#"{"name": "@s/a", "version": "1.0.0", "license": "SEE LICENSE"}"#,
            ),
            file("app/node_modules/b/package.json", "{"),
        ],
    ])
}

fn subject() -> Subject {
    Subject {
        name: "registry.test/app:1".to_owned(),
        digest: Some("sha256:00".to_owned()),
        timestamp: Some("2026-01-02T03:04:05Z".to_owned()),
        serial_number: Some("urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79".to_owned()),
        tool_version: "0.1.0".to_owned(),
        ..Subject::default()
    }
}

#[test]
fn every_format_has_everything() {
    for (name, write) in [
        ("cyclonedx", cyclonedx::write as fn(&Inventory, &Subject) -> Vec<u8>),
        ("spdx", spdx::write),
        ("scout", scout::write),
    ] {
        insta::assert_snapshot!(name, String::from_utf8(write(&alpine(), &subject())).expect("JSON"));
    }
}

#[test]
fn the_same_inventory_gives_the_same_bytes() {
    for write in [cyclonedx::write, spdx::write, scout::write] {
        let once = write(&alpine(), &Subject::default());
        assert_eq!(once, write(&alpine(), &Subject::default()));
        assert!(once.ends_with(b"}\n"));
    }
}

#[test]
fn the_list_has_columns() {
    let expect = "Name     Version    Type\npy3-six  1.16.0-r8  apk\n@s/a     1.0.0      npm\nsix      1.16.0     pypi\n";
    assert_eq!(list::write(&alpine()), expect);
    assert_eq!(list::write(&Inventory::default()), "");
}

#[test]
fn control_characters_stay_out_of_the_list() {
    let found = image(&[vec![file("lib/apk/db/installed", "P:a\u{1b}[31m\nV:1\n")]]);
    assert_eq!(list::write(&found), "Name    Version  Type\na\u{fffd}[31m  1        apk\n");
}
