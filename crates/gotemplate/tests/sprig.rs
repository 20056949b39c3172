//! The sprig functions, against what sprig 3.3 documents or does.

use serde_json::json;
use tidewaiter_gotemplate::{Limits, Template};

fn render(text: &str) -> Result<String, String> {
    let data = json!({
        "reference": "localhost:5000/a@sha256:b",
        "referrers": [{"digest": "d1", "artifactType": "sbom"}, {"digest": "d2", "artifactType": "sig"}],
        "content": {"schemaVersion": 2, "layers": [{"size": 12, "annotations": {"t": "<x>"}}]},
        "size": 7,
        "none": [],
    });
    let now: jiff::Zoned = "2026-11-20T22:20:59Z[UTC]".parse().map_err(|_| "no time")?;
    let template = Template::parse("t", text).map_err(|error| error.to_string())?;
    template.render(&data, Some(now), Limits::default()).map_err(|error| error.to_string())
}

fn check(text: &str, expected: &str) {
    assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
}

#[test]
fn templates_that_people_use_with_oras() {
    check("{{.reference}}", "localhost:5000/a@sha256:b");
    check("{{range .referrers}}{{println .digest}}{{end}}", "d1\nd2\n");
    check("{{(first .referrers).digest}}", "d1");
    check("{{(first .content.layers).size}}", "12");
    check(
        "{{toJson .content}}",
        r#"{"layers":[{"annotations":{"t":"\u003cx\u003e"},"size":12}],"schemaVersion":2}"#,
    );
    check("{{.content.schemaVersion}}{{println}}", "2\n");
    check("{{range .referrers}}{{if eq .artifactType \"sig\"}}{{.digest}}{{end}}{{end}}", "d2");
    check("{{.reference | splitList \"@\" | last}}", "sha256:b");
}

#[test]
fn strings() {
    check(
        "{{upper \"aé\"}} {{lower \"AB\"}} {{title \"hello wORLD x-y\"}} {{untitle \"Hello World\"}}",
        "AÉ ab Hello WORLD X-Y hello world",
    );
    check(
        "{{trim \" a \"}}|{{trimAll \"$\" \"$5$\"}}|{{trimSuffix \"-\" \"a-\"}}|{{trimPrefix \"-\" \"-a\"}}",
        "a|5|a|a",
    );
    check(
        "{{repeat 3 \"ab\"}} {{substr 1 3 \"hello\"}} {{trunc 3 \"hello\"}} {{trunc -3 \"hello\"}} {{abbrev 5 \"hello world\"}}",
        "ababab el hel llo he...",
    );
    check(
        "{{contains \"cat\" \"catch\"}} {{hasPrefix \"c\" \"cat\"}} {{hasSuffix \"t\" \"cat\"}}",
        "true true true",
    );
    check(
        "{{quote \"a\" 1 nil \"b\\\"\"}} {{squote \"a\" 1}} {{cat \"a\" nil 1 true}}",
        "\"a\" \"1\" \"b\\\"\" 'a' '1' a 1 true",
    );
    check("{{indent 2 \"a\\nb\"}}|{{nindent 1 \"a\"}}", "  a\n  b|\n a");
    check(
        "{{replace \" \" \"-\" \"I Am Henry\"}} {{plural \"one\" \"many\" 1}} {{plural \"one\" \"many\" 2}}",
        "I-Am-Henry one many",
    );
    check("{{nospace \"h e l\"}} {{initials \"First Try\"}} {{swapcase \"This Is\"}}", "hel FT tHIS iS");
    check(
        "{{wrap 5 \"hello big world\"}}|{{wrapWith 5 \"/\" \"HelloWorld\"}}",
        "hello\nbig\nworld|Hello/World",
    );
    check(
        "{{join \"-\" (list \"a\" 1 true)}} {{join \",\" \"x\"}} {{splitList \",\" \"a,b\"}} {{(split \"$\" \"a$b\")._1}} {{splitn \"$\" 2 \"a$b$c\"}}",
        "a-1-true x [a b] b map[_0:a _1:b$c]",
    );
    check("{{sortAlpha (list \"b\" \"a\")}} {{toStrings (list 1 2)}} {{toString 5}}", "[a b] [1 2] 5");
}

#[test]
fn lists_and_maps() {
    check(
        "{{$l := list 1 2 3}}{{first $l}} {{last $l}} {{rest $l}} {{initial $l}} {{append $l 4}} {{prepend $l 0}}",
        "1 3 [2 3] [1 2] [1 2 3 4] [0 1 2 3]",
    );
    check(
        "{{reverse (list 1 2)}} {{uniq (list 1 1 2)}} {{without (list 1 2 3) 2}} {{has 2 (list 1 2)}} {{compact (list 1 0 \"\" 2)}} {{concat (list 1) (list 2)}} {{chunk 2 (list 1 2 3)}}",
        "[2 1] [1 2] [1 3] true [1 2] [1 2] [[1 2] [3]]",
    );
    check("{{slice (list 1 2 3) 1 2}} {{first .none}}", "[2] <no value>");
    check(
        "{{$d := dict \"a\" 1 \"b\" 2}}{{$d}} {{get $d \"a\"}} {{get $d \"z\"}}| {{hasKey $d \"a\"}} {{keys $d}} {{values $d}} {{pick $d \"a\"}} {{omit $d \"a\"}}",
        "map[a:1 b:2] 1 | true [a b] [1 2] map[a:1] map[b:2]",
    );
    check("{{$d := dict}}{{$_ := set $d \"k\" 1}}{{$d}}{{$_ := unset $d \"k\"}}{{$d}}", "map[k:1]map[]");
    check(
        "{{$a := dict \"x\" 1 \"n\" (dict \"p\" 1)}}{{merge $a (dict \"x\" 2 \"y\" 3 \"n\" (dict \"q\" 2))}}",
        "map[n:map[p:1 q:2] x:1 y:3]",
    );
    check(
        "{{mergeOverwrite (dict \"x\" 1) (dict \"x\" 2)}} {{pluck \"x\" (dict \"x\" 1) (dict) (dict \"x\" 2)}}",
        "map[x:2] [1 2]",
    );
    check("{{dig \"content\" \"schemaVersion\" 0 .}} {{dig \"content\" \"nope\" \"d\" .}}", "2 d");
}

#[test]
fn defaults_and_types() {
    check(
        "{{default \"x\" .missing}} {{default \"x\" \"y\"}} {{coalesce 0 \"\" \"z\"}} {{empty .none}} {{ternary \"a\" \"b\" true}} {{true | ternary \"a\" \"b\"}}",
        "x y z true a a",
    );
    check(
        "{{kindOf .referrers}} {{typeOf .size}} {{kindIs \"map\" .content}} {{all 1 0}} {{any 0 1}}",
        "slice float64 true false true",
    );
}

#[test]
fn numbers() {
    check(
        "{{add 1 2 .size}} {{sub 5 3}} {{mul 2 3 4}} {{div 7 2}} {{mod 7 2}} {{add1 1}} {{max 1 3 2}} {{min 1 3 2}}",
        "10 2 24 3 1 2 3 1",
    );
    check(
        "{{floor 1.7}} {{ceil 1.2}} {{round 123.5555 3}} {{int \"42\"}} {{int64 1.9}} {{atoi \"7\"}} {{float64 \"1.5\"}}",
        "1 2 123.556 42 1 7 1.5",
    );
    check(
        "{{until 3}} {{untilStep 3 9 3}} {{seq 5}} {{seq 2 -1}} {{seq 0 2 6}}",
        "[0 1 2] [3 6] 1 2 3 4 5 2 1 0 -1 0 2 4 6",
    );
    assert!(render("{{div 1 0}}").is_err_and(|error| error.ends_with("integer divide by zero")));
}

#[test]
fn encodings() {
    check("{{b64enc \"hello\"}} {{b64dec \"aGVsbG8=\"}} {{b32enc \"hello\"}}", "aGVsbG8= hello NBSWY3DP");
    check("{{sha256sum \"\"}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("{{adler32sum \"Wikipedia\"}}", "300286872");
    check(
        "{{toPrettyJson (dict \"a\" (list 1 2) \"b\" (list))}}",
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}",
    );
    check(
        "{{toRawJson \"<a>\"}} {{toJson 1048576.0}} {{(fromJson \"{\\\"a\\\": 1e3}\").a}}",
        "\"<a>\" 1048576 1000",
    );
    check(
        "{{base \"a/b/c.txt\"}} {{dir \"a/b/c\"}} {{ext \"x.tar.gz\"}} {{clean \"a//b/../c\"}} {{isAbs \"/x\"}}",
        "c.txt a/b .gz a/c true",
    );
}

#[test]
fn regular_expressions() {
    check(
        "{{regexMatch \"^[a-z]+$\" \"abc\"}} {{regexFind \"[0-9]+\" \"a12b\"}} {{regexFindAll \"[2,4,6]\" \"123456\" 2}}",
        "true 12 [2 4]",
    );
    check(
        "{{regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\"}} {{regexReplaceAllLiteral \"a(x*)b\" \"-ab-\" \"${1}\"}} {{regexSplit \"z+\" \"pizza\" -1}}",
        "-W-xxW- -${1}- [pi a]",
    );
    assert!(render("{{regexMatch \"(\" \"x\"}}").is_err());
}

#[test]
fn dates() {
    check(
        "{{now | date \"2006-01-02 15:04\"}} {{now | unixEpoch}} {{htmlDate now}}",
        "2026-11-20 22:20 1795213259 2026-11-20",
    );
    check("{{toDate \"2006-01-02\" \"2017-12-31\" | date \"02/01/2006\"}}", "31/12/2017");
    check(
        "{{now | dateModify \"-1.5h\" | date \"15:04\"}} {{ago (now | dateModify \"-90s\")}}",
        "20:50 1m30s",
    );
    check("{{duration 95}} {{durationRound \"2h10m5s\"}} {{now}}", "1m35s 2h 2026-11-20 22:20:59 +0000 UTC");
    check("{{dateInZone \"15:04 MST\" now \"UTC\"}}", "22:20 UTC");
}
