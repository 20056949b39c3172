//! The template language, against what Go 1.23 prints for the same templates and data.

use serde_json::json;
use tidewaiter_gotemplate::{Limits, Nothing, Template};

fn data() -> serde_json::Value {
    json!({
        "name": "hello",
        "size": 535,
        "large": 1_048_576,
        "ratio": 0.5,
        "yes": true,
        "nothing": null,
        "list": ["a", "b", "c"],
        "empty": [],
        "map": {"b": 2, "a": 1},
        "layers": [{"title": "x", "size": 1}, {"title": "y", "size": 2}],
    })
}

fn render(text: &str) -> Result<String, String> {
    let template = Template::parse("t", text).map_err(|error| error.to_string())?;
    template.render(&data(), &Nothing, Limits::default()).map_err(|error| error.to_string())
}

fn check(text: &str, expected: &str) {
    assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
}

fn fails(text: &str, expected: &str) {
    assert_eq!(render(text), Err(expected.to_owned()), "{text}");
}

#[test]
fn values_print_as_fmt_prints_them() {
    check("{{.name}} {{.size}} {{.large}} {{.ratio}} {{.yes}}", "hello 535 1.048576e+06 0.5 true");
    check("{{.nothing}} {{.missing}} {{.missing.deeper}}", "<no value> <no value> <no value>");
    check("{{.list}} {{.empty}} {{.map}}", "[a b c] [] map[a:1 b:2]");
    check("{{.layers}}", "[map[size:1 title:x] map[size:2 title:y]]");
    check("{{print .nothing .name 1 2 \"x\" \"y\" 3}}", "<nil>hello1 2xy3");
    check("{{println}}{{println .name 1}}", "\nhello 1\n");
    check("{{1}} {{-2}} {{0x1F}} {{1_000}} {{1.5}} {{'a'}} {{1e3}}", "1 -2 31 1000 1.5 97 1000");
    check("{{\"a\\tb\\u00e9\\x41\"}} {{`raw\\n`}} {{true}} {{len .name}}", "a\tbéA raw\\n true 5");
}

#[test]
fn printf_knows_go_s_verbs() {
    check(
        "{{printf \"%s|%q|%v|%d|%5d|%-5d|%05d|%x\" .name .name .name 42 42 42 42 255}}",
        "hello|\"hello\"|hello|42|   42|42   |00042|ff",
    );
    check(
        "{{printf \"%T %T %T %T %T %T\" .name .size .list .map .yes 1}}",
        "string float64 []interface {} map[string]interface {} bool int",
    );
    check(
        "{{printf \"%d\" .size}} {{printf \"%s\" 5}} {{printf \"%d\" .name}}",
        "%!d(float64=535) %!s(int=5) %!d(string=hello)",
    );
    check(
        "{{printf \"%d %s\" 1}} {{printf \"%d\" 1 2}} {{printf \"%\"}}",
        "1 %!s(MISSING) 1%!(EXTRA int=2) %!(NOVERB)",
    );
    check(
        "{{printf \"%.2f %e %g %6.1f|%t|%c|%U|%%\" 1.5 1500.0 1e21 2.25 true 'x' 'x'}}",
        "1.50 1.500000e+03 1e+21    2.2|true|x|U+0078|%",
    );
    check(
        "{{printf \"%q %v %s\" .list .nothing .map}}",
        "[\"a\" \"b\" \"c\"] <nil> map[a:%!s(float64=1) b:%!s(float64=2)]",
    );
    check("{{printf \"%#v %#v\" .name .list}}", "\"hello\" []interface {}{\"a\", \"b\", \"c\"}");
    check("{{printf \"%*d|%.3s|%+d|%x\" 4 7 \"abcdef\" 3 \"hi\"}}", "   7|abc|+3|6869");
}

#[test]
fn actions_and_trimming() {
    check("a {{- 1 -}} b", "a1b");
    check("a {{/* a comment */}} b {{- /* another */ -}} c", "a  bc");
    check("{{if .yes}}yes{{else}}no{{end}}{{if .empty}}x{{else if .name}}y{{else}}z{{end}}", "yesy");
    check(
        "{{with .name}}{{.}}{{end}}{{with .missing}}x{{else}}none{{end}}{{with .missing}}x{{else with .name}}{{.}}!{{end}}",
        "hellononehello!",
    );
    check("{{range .list}}{{.}},{{end}}{{range .empty}}x{{else}}none{{end}}", "a,b,c,none");
    check(
        "{{range $i, $e := .list}}{{$i}}{{$e}} {{end}}{{range $k, $v := .map}}{{$k}}={{$v}};{{end}}",
        "0a 1b 2c a=1;b=2;",
    );
    check(
        "{{range $i, $e := .list}}{{if eq $i 1}}{{continue}}{{end}}{{$e}}{{if eq $i 2}}{{break}}{{end}}{{end}}",
        "ac",
    );
    check("{{range 3}}{{.}}{{end}}{{range .nothing}}x{{else}}-{{end}}", "012-");
    check("{{range .layers}}{{.title}}{{$.name}} {{end}}", "xhello yhello ");
    check("{{$x := 1}}{{if .yes}}{{$x = 2}}{{end}}{{$x}}{{with $y := .name}}{{$y}}{{end}}", "2hello");
    check("{{define \"a\"}}<{{.}}>{{end}}{{template \"a\" .name}}{{template \"a\"}}", "<hello><<no value>>");
    check("{{block \"b\" .list}}{{len .}}{{end}}", "3");
    check("{{(index .layers 1).title}}{{$x := .map}}{{$x.a}}{{(.map).b}}", "y12");
    check("{{.name | printf \"%s-%s\" \"x\" | len}}", "7");
    check("{{ .name|upper }}{{- \"\\n\" }}", "HELLO\n");
}

#[test]
fn comparing_and_logic() {
    check(
        "{{eq 1 1}} {{eq .name \"a\" \"hello\"}} {{ne 1 2}} {{lt 1 2}} {{le \"a\" \"a\"}} {{gt 1.5 2.5}} {{ge 2 2}}",
        "true true true true true false true",
    );
    check(
        "{{and 1 0 .missing}} {{or 0 \"\" \"x\" .nothing.deeper}} {{not .empty}} {{eq .nothing nil}}",
        "0 x true true",
    );
    check("{{and .yes (eq .name \"hello\")}} {{or .missing .empty}}", "true []");
    fails(
        "{{eq .size 535}}",
        "template: t:1:2: executing \"t\" at <eq .size 535>: error calling eq: incompatible types for comparison",
    );
    fails(
        "{{lt .yes true}}",
        "template: t:1:2: executing \"t\" at <lt .yes true>: error calling lt: invalid type for comparison",
    );
    fails(
        "{{eq .list .list}}",
        "template: t:1:2: executing \"t\" at <eq .list .list>: error calling eq: non-comparable type []interface {}",
    );
}

#[test]
fn indexing_slicing_escaping() {
    check(
        "{{index .list 1}} {{index .map \"b\"}} {{index .map \"zz\"}} {{index .layers 0 \"title\"}} {{index \"abc\" 1}}",
        "b 2 <no value> x 98",
    );
    check("{{slice .list 1}} {{slice .list 0 2}} {{slice \"abcdef\" 2 4}}", "[b c] [a b] cd");
    check(
        "{{html \"<a href='x'>&\"}} {{js \"it's <b>\\n\"}} {{urlquery \"a b&c/d\"}}",
        "&lt;a href=&#39;x&#39;&gt;&amp; it\\'s \\u003Cb\\u003E\\u000A a+b%26c%2Fd",
    );
    fails(
        "{{index .list 3}}",
        "template: t:1:2: executing \"t\" at <index .list 3>: error calling index: index out of range: 3",
    );
    fails(
        "{{len .size}}",
        "template: t:1:2: executing \"t\" at <len .size>: error calling len: len of type float64",
    );
}

#[test]
fn errors_say_where_as_go_says_it() {
    fails(
        "{{.name.first}}",
        "template: t:1:7: executing \"t\" at <.name.first>: can't evaluate field first in type interface {}",
    );
    fails(
        "x\n{{.nothing.deeper}}",
        "template: t:2:10: executing \"t\" at <.nothing.deeper>: nil pointer evaluating interface {}.deeper",
    );
    fails(
        "{{upper .size}}",
        "template: t:1:8: executing \"t\" at <.size>: wrong type for value; expected string; got float64",
    );
    fails(
        "{{upper .missing}}",
        "template: t:1:8: executing \"t\" at <.missing>: invalid value; expected string",
    );
    fails("{{upper 3}}", "template: t:1:8: executing \"t\" at <3>: expected string; found 3");
    fails(
        "{{upper}}",
        "template: t:1:2: executing \"t\" at <upper>: wrong number of args for upper: want 1 got 0",
    );
    fails(
        "{{template \"nope\"}}",
        "template: t:1:11: executing \"t\" at <{{template \"nope\"}}>: template \"nope\" not defined",
    );
    fails(
        "{{range .name}}{{end}}",
        "template: t:1:8: executing \"t\" at <.name>: range can't iterate over hello",
    );
    fails(
        "{{fail \"stop\"}}",
        "template: t:1:2: executing \"t\" at <fail \"stop\">: error calling fail: stop",
    );
    fails(
        "{{.name 1}}",
        "template: t:1:2: executing \"t\" at <.name>: name is not a method but has arguments",
    );
    fails("{{1 | \"x\"}}", "template: t:1: non executable command in pipeline stage 2");
    fails(
        "{{define \"a\"}}{{.x.y}}{{end}}{{template \"a\" .map}}{{template \"a\" .layers}}",
        "template: t:1:18: executing \"a\" at <.x.y>: can't evaluate field x in type []interface {}",
    );
}

#[test]
fn printf_heeds_flags_as_go_does() {
    // What `%+v` asks for, and `%#v`, is no sign and no prefix.
    check("{{printf \"%+v %+v %+v\" (dict \"a\" 1 \"b\" -1.5) (list 1 2) 3}}", "map[a:1 b:-1.5] [1 2] 3");
    check("{{printf \"%#v %#v %#v\" (dict \"a\" 1) 7 1.5}}", "map[string]interface {}{\"a\":1} 7 1.5");
    check("{{printf \"%+d|%+d|% d|% d|%+v\" 3 -3 3 -3 3}}", "+3|-3| 3|-3|3");
    check(
        "{{printf \"%08.3f|%+08.3f|%-8.3f|%8.3f|%+.1e\" -3.14159 3.14159 2.5 2.5 12.0}}",
        "-003.142|+003.142|2.500   |   2.500|+1.2e+01",
    );
    check(
        "{{printf \"%-5s|%5s|%.2s|%5.1s|%05d|%-05d|\" \"ab\" \"ab\" \"abc\" \"abc\" -42 7}}",
        "ab   |   ab|ab|    a|-0042|7    |",
    );
    check(
        "{{printf \"%q %+q %#q %q\" \"a\\\"é\" \"é\" \"a\\\\b\" (list \"x\" 65)}}",
        "\"a\\\"é\" \"\\u00e9\" `a\\b` [\"x\" 'A']",
    );
    check(
        "{{printf \"%x|%X|% x|%#x|%# x|%.1x|%x\" \"hi\" \"hi\" \"hi\" \"hi\" \"hi\" \"hi\" (list \"a\" 255)}}",
        "6869|6869|68 69|0x6869|0x68 0x69|68|[61 ff]",
    );
    check("{{printf \"%#x %#o %08b %x\" 255 8 5 -255}}", "0xff 010 00000101 -ff");
    // The flags count for what is shown of a wrong value too.
    check("{{printf \"%5d|%+s\" \"hi\" 5}}", "%!d(string=   hi)|%!s(int=+5)");
}

#[test]
fn call_applies_only_functions() {
    let call = |rest: &str| format!("template: t:1:2: executing \"t\" at <{rest}");
    fails("{{call .name}}", &call("call .name>: error calling call: non-function .name of type string"));
    fails("{{call .size 1}}", &call("call .size 1>: error calling call: non-function .size of type float64"));
    fails("{{call .nothing}}", &call("call .nothing>: error calling call: call of nil"));
    fails("{{call}}", &call("call>: wrong number of args for call: want at least 1 got 0"));
    check("{{if false}}{{call .name}}{{end}}", "");
}

#[test]
fn what_is_no_template_is_refused_as_go_refuses_it() {
    fails("{{", "template: t:1: unclosed action");
    fails("{{.name", "template: t:1: unclosed action");
    fails("{{if .yes}}", "template: t:1: unexpected EOF");
    fails("{{end}}", "template: t:1: unexpected {{end}}");
    fails("{{nope .name}}", "template: t:1: function \"nope\" not defined");
    fails(
        "{{genCA \"x\" 1}}",
        "template: t:1: function \"genCA\" is one of sprig's for keys, certificates and encryption, which are not \
         offered here",
    );
    fails("\n{{$x}}", "template: t:2: undefined variable \"$x\"");
    fails("{{}}", "template: t:1: missing value for command");
    fails("{{if}}x{{end}}", "template: t:1: missing value for if");
    fails("{{\"abc}}", "template: t:1: unterminated quoted string");
    fails("{{/* x }}", "template: t:1: unclosed comment");
    fails("{{break}}", "template: t:1: {{break}} outside {{range}}");
    fails("{{.a , .b}}", "template: t:1: unexpected \",\" in operand");
    fails("{{3k}}", "template: t:1: bad number syntax: \"3k\"");
    fails("{{(.name}}", "template: t:1: unclosed left paren");
    fails("{{range $a, $b, $c := .list}}{{end}}", "template: t:1: too many declarations in range");
    fails("{{if .yes}}{{else}}{{else}}{{end}}", "template: t:1: expected end; found {{else}}");
    fails("{{.name!}}", "template: t:1: bad character U+0021 '!'");
}

#[test]
fn templates_cannot_run_away() {
    let limits = Limits { output: 1 << 16, work: 1 << 20 };
    let stopped = |text: &str| {
        let template = Template::parse("t", text).expect(text);
        template.render(&data(), &Nothing, limits).expect_err(text).to_string()
    };
    let depth = stopped("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}");
    assert!(depth.contains("exceeded maximum template depth"), "{depth}");
    for text in [
        "{{repeat 1000000000 \"x\"}}",
        "{{range until 100000000}}x{{end}}",
        "{{range 100000000}}{{end}}",
        "{{$x := \"x\"}}{{range until 100}}{{$x = print $x $x}}{{end}}",
        "{{$x := list}}{{range until 100}}{{$x = concat (append $x 1) $x}}{{end}}",
        "{{indent 1000000000 \"x\"}}",
        "{{$l := list 1}}{{range until 64}}{{$l = list $l $l}}{{end}}{{$l}}",
        "{{regexReplaceAll \"\" (repeat 1000 \"x\") (repeat 2000 \"y\")}}",
    ] {
        let error = stopped(text);
        assert!(error.contains("too much work"), "{text}: {error}");
    }
    let output = stopped("{{range until 1000}}{{repeat 100 \"x\"}}{{end}}");
    assert!(output.contains("the output is longer than 65536 bytes"), "{output}");
    let cycle = stopped("{{$d := dict}}{{$_ := set $d \"self\" $d}}{{$d}}");
    assert!(cycle.contains("nested too deeply"), "{cycle}");
    // Deep values are dropped without using up the stack.
    let deep = "{{$d := dict}}{{range until 5000}}{{$d = dict \"a\" $d}}{{end}}ok";
    let template = Template::parse("t", deep).expect("valid");
    assert_eq!(template.render(&data(), &Nothing, Limits::default()).as_deref(), Ok("ok"));
    // So are deeply nested texts of templates.
    let nested = format!("{}1{}", "{{if 1}}".repeat(100_000), "{{end}}".repeat(100_000));
    assert!(Template::parse("t", &nested).is_err());
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Template::parse("t", &parens).is_err());
}

proptest::proptest! {
    #[test]
    fn nothing_typed_panics(text in "(\\{\\{|\\}\\}|[a-z.$|()\" 0-9:=-]|if|range|end|else|define|printf|index|\\{\\{-|-\\}\\}| ){0,40}") {
        if let Ok(template) = Template::parse("t", &text) {
            let _ = template.render(&data(), &Nothing, Limits { output: 1 << 16, work: 1 << 18 });
        }
    }
}
