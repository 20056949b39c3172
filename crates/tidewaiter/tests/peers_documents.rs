//! Documents with findings against programs that know their formats: our schema with `jsonschema`, SPDX with `spdx-tools`.

mod harness;

use std::path::Path;
use std::process::Command;

use harness::home::Home;
use harness::succeed;

/// Runs a script in Debian's Python, with what `./test` installed beside it.
fn python(script: &str, arguments: &[&str]) {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    let output = Command::new("/usr/bin/python3")
        .env("PYTHONPATH", installed)
        .args(["-c", script])
        .args(arguments)
        .output()
        .expect("python3 is needed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_report_is_what_its_schema_says() {
    let home = Home::new().await;
    let file = home.path().join("report.json").display().to_string();
    let ignore = home.path().join("ignore.toml");
    std::fs::write(&ignore, "[[ignore]]\nid = \"CVE-2021-3711\"\nreason = \"no SM2\"\n").expect("written");
    let image = home.image();
    let ignore = ignore.display().to_string();
    let format = format!("json={file}");
    succeed(home.path(), &["cves", &image, "--details", "--ignore-file", &ignore, "--format", &format]);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/reference/report.schema.json");
    let script = "import json, jsonschema, sys\n\
        schema, report = (json.load(open(name)) for name in sys.argv[1:])\n\
        assert report['findings'] and report['suppressed']\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        jsonschema.Draft202012Validator(schema).validate(report)\n\
        report['findings'][0]['severity'] = 'terrible'\n\
        assert not jsonschema.Draft202012Validator(schema).is_valid(report)";
    python(script, &[&schema.display().to_string(), &file]);
}

#[tokio::test]
async fn spdx_with_findings_is_valid() {
    let home = Home::new().await;
    let file = home.path().join("report.spdx.json").display().to_string();
    let image = home.image();
    succeed(home.path(), &["cves", &image, "--format", &format!("spdx={file}")]);
    let script = "import sys\n\
        from spdx_tools.spdx.parser.parse_anything import parse_file\n\
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document\n\
        problems = validate_full_spdx_document(parse_file(sys.argv[1]))\n\
        assert not problems, problems";
    python(script, &[&file]);
}
