//! The sprig functions, against what sprig 3.3 documents or does.

use serde_json::json;
use tidewaiter_gotemplate::{Limits, Surroundings, Template};

/// A world in which only time passes.
struct Clock(jiff::Zoned);

impl Surroundings for Clock {
    fn now(&self) -> Option<jiff::Zoned> {
        Some(self.0.clone())
    }
}

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
    template.render(&data, &Clock(now), Limits::default()).map_err(|error| error.to_string())
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
    check("{{sha1sum \"abc\"}}", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(
        "{{sha512sum \"\"}}",
        "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    );
    check("{{b32dec \"NBSWY3DP\"}}|{{b32dec (b32enc \"coffee\")}}|{{b32dec \"MY======\"}}", "hello|coffee|f");
    check("{{b32dec \"NB!WY3DP\"}}", "illegal base32 data at input byte 2");
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
    check("{{now | must_date_modify \"1h\" | date \"15:04\"}}", "23:20");
    check("{{duration 95}} {{durationRound \"2h10m5s\"}} {{now}}", "1m35s 2h 2026-11-20 22:20:59 +0000 UTC");
    check("{{dateInZone \"15:04 MST\" now \"UTC\"}}", "22:20 UTC");
}

#[test]
fn cases() {
    for (text, snake) in [
        ("FirstName", "first_name"),
        ("HTTPServer", "http_server"),
        ("_camelCase", "_camel_case"),
        ("NoHTTPS", "no_https"),
        ("GO PATH", "go_path"),
        ("GO-PATH", "go_path"),
        ("Wi_thF", "wi_th_f"),
        ("_AnotherTES_TCaseP", "_another_tes_t_case_p"),
        ("HELLO____WORLD", "hello____world"),
        ("http2xx", "http_2xx"),
        ("HTTP2XX", "http2_xx"),
        ("HTTP20xOK", "http_20x_ok"),
        ("HTTP-20xStatus", "http_20x_status"),
        ("Duration2m3s", "duration_2m3s"),
        ("Bld4Floor3rd", "bld4_floor_3rd"),
        ("IPv4Address", "i_pv4_address"),
        (" _-_ ", "_____"),
        ("a1b2c3d", "a_1b2c3d"),
        ("A//B%%2c", "a//b%%2c"),
        ("HTTP状态码404/502Error", "http_状态码404/502_error"),
        ("混合ABCWords与123数字456", "混合_abc_words_与123_数字456"),
        ("FROM CamelCase to snake/kebab-case", "from_camel_case_to_snake/kebab_case"),
        ("", ""),
    ] {
        check(&format!("{{{{snakecase \"{text}\"}}}}"), snake);
        check(&format!("{{{{kebabcase \"{text}\"}}}}"), &snake.replace('_', "-"));
    }
    for (text, camel) in [
        ("http_server", "HttpServer"),
        ("_camel_case", "_CamelCase"),
        ("no_https", "NoHttps"),
        ("_complex__case_", "_Complex_Case_"),
        ("all", "All"),
        ("GOLANG_IS_GREAT", "GolangIsGreat"),
        ("GOLANG", "Golang"),
        ("foo-BarBaz", "FooBarBaz"),
        ("some words", "SomeWords"),
        ("好", "好"),
        ("__", "__"),
        ("", ""),
    ] {
        check(&format!("{{{{camelcase \"{text}\"}}}}"), camel);
    }
    check("{{abbrevboth 5 10 \"1234 5678 9123\"}} {{abbrevboth 0 8 \"hello world\"}}", "...5678... hello...");
    check("{{abbrevboth 99 8 \"hello world\"}} {{abbrevboth 5 6 \"hello world\"}}", "...world hello world");
}

#[test]
fn decimals() {
    check("{{addf 0.1 0.2}} {{add1f 1.5}} {{addf}} {{subf 0.3 0.1 \"0.1\"}}", "0.3 2.5 0 0.1");
    check("{{mulf 1.1 1.1}} {{mulf 3 \"2\"}} {{divf 1 3}} {{divf 7 2 2}}", "1.21 6 0.3333333333333333 1.75");
    check(
        "{{divf -2 3}} {{mulf 1e300 1e300 | printf \"%v\"}} {{addf 1e21 1}}",
        "-0.6666666666666667 +Inf 1e+21",
    );
    assert!(render("{{divf 1 0}}").is_err_and(|error| error.ends_with("decimal division by 0")));
}

#[test]
fn semantic_versions() {
    check(
        "{{$v := semver \"v1.2.3-alpha.1+123\"}}{{$v}} {{$v.Major}} {{$v.Minor}} {{$v.Patch}} {{$v.Prerelease}} {{$v.Metadata}} {{$v.Original}}",
        "1.2.3-alpha.1+123 1 2 3 alpha.1 123 v1.2.3-alpha.1+123",
    );
    check(
        "{{semver \"1.4.3\" | (semver \"1.2.3\").Compare}} {{(semver \"2\").GreaterThan (semver \"1.9\")}}",
        "-1 true",
    );
    check(
        "{{$v := semver \"1.2\"}}{{$v.Equal (semver \"1.2.0+x\")}} {{typeOf $v}} {{toJson $v}} {{quote $v}}",
        "true *semver.Version \"1.2.0\" \"1.2.0\"",
    );
    for (text, words) in [
        ("{{semver \"x\"}}", "Invalid Semantic Version"),
        ("{{(semver \"1\").Nope}}", "can't evaluate field Nope in type *semver.Version"),
        ("{{(semver \"1\").Compare}}", "wrong number of args for Compare: want 1 got 0"),
        ("{{(semver \"1\").Compare 1}}", "wrong type for value; expected *semver.Version; got int"),
        ("{{semverCompare \">= bar\" \"1\"}}", "improper constraint: >= bar"),
        ("{{semverCompare \"12.3.4.1234\" \"1\"}}", "improper constraint: 12.3.4.1234"),
        ("{{semverCompare \"12.3.34~ 1.2.3\" \"1\"}}", "improper constraint: 12.3.34~ 1.2.3"),
        ("{{semverCompare \"BAR >= 1.2.3\" \"1\"}}", "improper constraint: BAR >= 1.2.3"),
    ] {
        assert!(render(text).is_err_and(|error| error.ends_with(words)), "{text} {:?}", render(text));
    }
}

/// The examples of the library's own tests.
#[test]
fn version_constraints() {
    let holds = "=2.0 2.0.1, 4.1 4.1.0, !=4.1.0 4.1.1, !=4.1-alpha 4.1.0, !=4.1 5.1.0, !=4.x 5.1.0, !=4.1.x 4.2.0, \
        <11 0.1.0, <1.1.x 1.0.500, <=11 11.2.3, <=1.1 1.1.1, <=1.1-a 0.1.0-alpha, >1.1 4.1.0, >0 1, \
        >0.0.0-0 0.0.0-alpha, >1.2.3-alpha.1 1.3.3-alpha.2, >11.1 11.2.1, >=11 11.1.2, >=0-0 0.0.1-alpha, >=0 0, \
        * 4.5.6, *-0 1.2.3-alpha.1, 2.* 2.1.1, 2.1.* 2.1.1, 2 2.1.1, ~1.2.3 1.2.4, ~1.2 1.2.4, ~1 1.2.4, \
        ~0.0.0 1.2.3, ~* 2.1.1, ~>1.2.3 1.2.9, ~1.2.3-beta.2 1.2.4-beta.2, ^1.2.3 1.8.9, ^1.2.0-alpha.0 1.2.1-alpha.1, \
        ^1 1.8.9, ^0.2.3 0.2.5, ^0.2 0.2.5, ^0.0.3 0.0.3, ^0.0 0.0.3, ^0 0.2.3, ^1.x 1.1.1, 1.x 1.4, v1.2 1.2.7";
    let fails = "=2.0.0 1.2.3, !=4.1.0 4.1.0, !=4.1 4.1.1, !=4.1 5.1.0-alpha.1, !=4.x 4.1.0, !=4.2.x 4.2.3, <11 11.1.0, \
        <1.1 1.1.1, <=11 12.2.3, <=1.1 1.2.3, <=2.x 3.0.0, <=1.1 0.1.0-alpha, >1.1 1.1.0, >0 0, >0 0.0.1-alpha, \
        >0.0-0 0.0.1-alpha, >11 11.1.0, >11.1 11.1.1, >=11.1 11.0.2, >=0 0.0.1-alpha, * 1.2.3-alpha.1, 2.* 3.4.5, \
        2.1.* 2.2.1, 2 1, ~1.2.3 1.3.4, ~1 2.3.4, ~0.2.3 0.3.5, ~1.2.3-beta.2 1.3.4-beta.2, ~1.1.1-beta 1.1.1-alpha, \
        ^1.2.3 2.8.9, ^1.2.3 1.2.1, ^1.2.0 1.2.1-alpha.1, ^0.2.3 0.5.6, ^0.0.3 0.0.4, ^0.0 0.1.4, ^0 1.1.4, \
        0.0.x 1.2.3, 0.x.x 1.2.3, ^0.0.0 1.2.3, 1.1-3 4.3.2";
    for (examples, expected) in [(holds, "true"), (fails, "false")] {
        for example in examples.split(", ") {
            let (constraint, version) = example.trim().split_once(' ').expect("two words");
            check(&format!("{{{{semverCompare \"{constraint}\" \"{version}\"}}}}"), expected);
        }
    }
    for (constraint, version, expected) in [
        ("", "1", "true"),
        ("", "1.2.3-alpha.1", "false"),
        (">1.1, <2", "1.2.1", "true"),
        (">=1.1 <2 !=1.2.3 || > 3", "4.1.2", "true"),
        (">=1.1, <2, !=1.2.3 || > 3", "3.1.2", "false"),
        (">= 1.1, <2, !=1.2.3 || >= 3", "3.0.0", "true"),
        ("> 1.1    <3", "4.3.2", "false"),
        ("1.1 - 2", "1.1.1", "true"),
        ("1.5.0 - 4.5", "3.7.0", "true"),
    ] {
        check(&format!("{{{{semverCompare \"{constraint}\" \"{version}\"}}}}"), expected);
    }
}

#[test]
fn urls() {
    check("{{(urlParse \"proto://auth@host:80/path?query#fragment\").host}}", "host:80");
    check(
        "{{urlParse \"proto://user:passwor%20d@[::1]:80/pa%20th?key=val%20ue#f\"}}",
        "map[fragment:f host:[::1]:80 hostname:::1 opaque: path:/pa th query:key=val%20ue scheme:proto userinfo:user:passwor%20d]",
    );
    check("{{with urlParse \"mailto:a@b\"}}{{.scheme}} {{.opaque}} {{.host}}|{{end}}", "mailto a@b |");
    check(
        "{{urlJoin (dict \"fragment\" \"f\" \"host\" \"host:80\" \"path\" \"/path\" \"scheme\" \"proto\" \"userinfo\" \"A\")}}",
        "proto://A@host:80/path#f",
    );
    for url in [
        "proto://auth@host:80/path?query#fragment",
        "something",
        "proto://user:passwor%20d@host:80/path",
        "proto://host:80/pa%20th?key=val%20ue",
        "mailto:a@b",
        "/a/b",
    ] {
        check(&format!("{{{{urlJoin (urlParse \"{url}\")}}}}"), url);
    }
    for (text, words) in [
        ("{{urlParse \":x\"}}", "unable to parse url: parse \":x\": missing protocol scheme"),
        ("{{urlParse \"a%zz\"}}", "invalid URL escape \"%zz\""),
        ("{{urlParse \"1a:b\"}}", "first path segment in URL cannot contain colon"),
        ("{{urlParse \"http://h:x/\"}}", "invalid port \":x\" after host"),
        ("{{urlJoin (dict \"host\" 1)}}", "unable to parse host key, must be of type string, but int found"),
    ] {
        assert!(render(text).is_err_and(|error| error.ends_with(words)), "{text} {:?}", render(text));
    }
}

#[test]
fn what_nobody_tells_of_is_not_there() {
    for (text, words) in [
        ("{{env \"HOME\"}}", "there is no environment here"),
        ("{{getHostByName \"localhost\"}}", "there is no network here"),
        ("{{uuidv4}}", "there is no source of random values here"),
    ] {
        assert!(render(text).is_err_and(|error| error.ends_with(words)), "{text}");
    }
}

/// Every name of sprig 3.3 is known, or refused with the reason.
#[test]
fn every_name_is_known() {
    let names = "abbrev abbrevboth add add1 add1f addf adler32sum ago all any append atoi b32dec b32enc b64dec b64enc \
        base bcrypt biggest camelcase cat ceil chunk clean coalesce compact concat contains date dateInZone \
        dateModify date_in_zone date_modify deepCopy deepEqual default derivePassword dict dig dir div divf duration \
        durationRound empty env expandenv ext fail first float64 floor fromJson get getHostByName has hasKey hasPrefix \
        hasSuffix hello htmlDate htmlDateInZone htpasswd indent initial initials int int64 isAbs join kebabcase keys \
        kindIs kindOf last list lower max maxf merge mergeOverwrite min minf mod mul mulf mustAppend mustChunk \
        mustCompact mustDateModify mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge \
        mustMergeOverwrite mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch mustRegexReplaceAll \
        mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse mustSlice mustToDate mustToJson \
        mustToPrettyJson mustToRawJson mustUniq mustWithout must_date_modify nindent nospace now omit osBase osClean \
        osDir osExt osIsAbs pick pluck plural prepend push quote randAlpha randAlphaNum randAscii randBytes randInt \
        randNumeric regexFind regexFindAll regexMatch regexQuoteMeta regexReplaceAll regexReplaceAllLiteral regexSplit \
        repeat replace rest reverse round semver semverCompare seq set sha1sum sha256sum sha512sum shuffle slice \
        snakecase sortAlpha split splitList splitn squote sub subf substr swapcase ternary title toDate toDecimal \
        toJson toPrettyJson toRawJson toString toStrings trim trimAll trimPrefix trimSuffix trimall trunc tuple typeIs \
        typeIsLike typeOf uniq unixEpoch unset until untilStep untitle upper urlJoin urlParse uuidv4 values without \
        wrap wrapWith and call eq ge gt html index js le len lt ne not or print printf println urlquery";
    for name in names.split_whitespace() {
        assert_eq!(
            render(&format!("{{{{if false}}}}{{{{{name}}}}}{{{{end}}}}")).as_deref(),
            Ok(""),
            "{name}"
        );
    }
    let refused = "buildCustomCert decryptAES encryptAES genCA genCAWithKey genPrivateKey genSelfSignedCert \
        genSelfSignedCertWithKey genSignedCert genSignedCertWithKey";
    for name in refused.split_whitespace() {
        assert!(
            render(&format!("{{{{{name}}}}}")).is_err_and(|error| error.ends_with("not offered here")),
            "{name}"
        );
    }
}
