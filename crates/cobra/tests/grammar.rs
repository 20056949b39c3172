//! The grammar, the errors and the help of a made-up program, against what cobra 1.8 and pflag 1.0 give.

use tidewaiter_cobra::{Action, Arguments, Command, Error, Flag, Group, Matches, Values};

fn image_spec(text: &str) -> Result<(), String> {
    match text {
        "v1.0" | "v1.1" => Ok(()),
        other => Err(format!("unknown image specification flag: {other}\nAvailable options: v1.1, v1.0")),
    }
}

fn program() -> Command {
    let push = Command::new("push")
        .positionals("[flags] <name> <file> [...]")
        .short("Push files")
        .long("Push files to a registry\n\nExample - Push one file:\n  boat push localhost:5000/a hi.txt\n")
        .arguments(Arguments::AtLeast(1), &[Values::Ask("reference"), Values::Files])
        .flag(Flag::text("username", "registry username").short('u'))
        .flag(Flag::bool("debug", "output debug logs").short('d'))
        .flag(Flag::bool("force", "do not ask").short('f'))
        .flag(Flag::int("concurrency", "concurrency level").default("5"))
        .flag(Flag::repeated("annotation", "manifest annotations").short('a'))
        .flag(Flag::commas("media-type", "accepted types"))
        .flag(Flag::text("output", "output `path`").short('o').values(Values::Directories))
        .flag(
            Flag::text("image-spec", "[Preview] type of manifest")
                .default("v1.1")
                .checked(image_spec)
                .values(Values::Words(&[("v1.1", "with artifact type"), ("v1.0", "without")])),
        )
        .flag(Flag::text("format", "how to print:\n'json': as JSON\n'text': as text"))
        .flag(Flag::bool("verbose", "more output").short('v').default("true").deprecated("and will go."))
        .rule(Group::Exclusive(vec!["force", "debug"]));
    let fetch = Command::new("fetch")
        .aliases(&["get", "show"])
        .positionals("[flags] <name>")
        .short("Fetch a manifest")
        .arguments(Arguments::Exactly(1), &[])
        .flag(Flag::text("needed", "must be there").required())
        .flag(Flag::text("also", "must be there too").required());
    Command::group("boat")
        .command(push)
        .command(Command::group("manifest").short("Manifest operations").command(fetch))
        .command(Command::new("version").short("Show the version").arguments(Arguments::None, &[]))
        .command(Command::new("old").short("Old").deprecated("use push"))
        .flag(Flag::bool("trace", "trace everything").persistent())
        .with_builtins(&["boat"])
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace('␣', " ").replace('∅', "")).collect()
}

/// Runs a command line that is right, and looks at what it gave.
fn right(line: &str, look: impl FnOnce(&[&str], &Matches)) {
    let program = program();
    let outcome = program.dispatch(&words(line));
    match &outcome.result {
        Ok(Action::Run(matches)) => look(&outcome.names(), matches),
        other => panic!("{line}: {other:?}"),
    }
}

/// Runs a command line that is wrong, and compares the error.
fn wrong(line: &str, expected: &str) {
    let program = program();
    let outcome = program.dispatch(&words(line));
    let error = match outcome.result {
        Err(error) => error,
        Ok(Action::Run(matches)) => matches.validate().expect_err(line),
        Ok(other) => panic!("{line}: {other:?}"),
    };
    assert_eq!(error.to_string(), expected, "{line}");
}

fn printed(line: &str) -> String {
    match program().dispatch(&words(line)).result {
        Ok(Action::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn values_come_in_every_form() {
    for line in [
        "push -u bob --debug -a x=1 -a y=2,3 --concurrency 7 name file",
        "push name -ubob -d -ax=1 --annotation=y=2,3 file --concurrency=7",
        "push -du bob -a=x=1 -a y=2,3 --concurrency 0x7 name file",
        "push --username=bob --debug=1 -a x=1 -a y=2,3 --concurrency 7 -- name file",
    ] {
        right(line, |names, matches| {
            assert_eq!(names, ["push"], "{line}");
            assert_eq!(matches.text("username"), "bob", "{line}");
            assert!(matches.bool("debug"), "{line}");
            assert_eq!(matches.list("annotation"), ["x=1", "y=2,3"], "{line}");
            assert_eq!(matches.int("concurrency"), 7, "{line}");
            assert_eq!(matches.arguments(), ["name", "file"], "{line}");
        });
    }
}

#[test]
fn defaults_switches_and_lists() {
    right("push a --media-type x,y --media-type z", |_, matches| {
        assert_eq!(matches.list("media-type"), ["x", "y", "z"]);
        assert_eq!(matches.int("concurrency"), 5);
        assert_eq!(matches.text("image-spec"), "v1.1");
        assert!(matches.bool("verbose") && !matches.given("verbose") && !matches.bool("trace"));
    });
    right("push a --debug=false --trace -o ∅", |_, matches| {
        assert!(!matches.bool("debug") && matches.given("debug") && matches.bool("trace"));
        assert!(matches.text("output").is_empty() && matches.given("output"));
    });
    right("push a - -- --debug -x", |_, matches| {
        assert_eq!(matches.arguments(), ["a", "-", "--debug", "-x"]);
        assert_eq!(matches.arguments_before_dashes(), Some(2));
    });
}

#[test]
fn flags_may_stand_before_commands_and_aliases_count() {
    right("manifest get x --needed 1 --also 2", |names, matches| {
        assert_eq!(names, ["manifest", "fetch"]);
        assert!(matches.validate().is_ok());
    });
    right("--trace manifest --trace show x", |names, matches| {
        assert_eq!((names, matches.arguments()), (&["manifest", "fetch"][..], &["x".to_owned()][..]));
    });
    right("--trace=false version", |names, _| assert_eq!(names, ["version"]));
}

#[test]
fn errors_are_worded_as_pflag_and_cobra_word_them() {
    wrong("push --nope", "unknown flag: --nope");
    wrong("push -x", "unknown shorthand flag: 'x' in -x");
    wrong("push -dxf", "unknown shorthand flag: 'x' in -xf");
    wrong("push ---x", "bad flag syntax: ---x");
    wrong("push --=x", "bad flag syntax: --=x");
    wrong("push --username", "flag needs an argument: --username");
    wrong("push -du", "flag needs an argument: 'u' in -u");
    wrong(
        "push --concurrency x",
        "invalid argument \"x\" for \"--concurrency\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
    );
    wrong(
        "push -d=maybe",
        "invalid argument \"maybe\" for \"-d, --debug\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    );
    wrong(
        "push --image-spec v9",
        "invalid argument \"v9\" for \"--image-spec\" flag: unknown image specification flag: v9\n\
         Available options: v1.1, v1.0",
    );
    wrong("push", "requires at least 1 arg(s), only received 0");
    wrong("manifest fetch a b", "accepts 1 arg(s), received 2");
    wrong("manifest fetch a", "required flag(s) \"also\", \"needed\" not set");
    wrong("version now", "unknown command \"now\" for \"boat version\"");
    wrong(
        "push a -d -f",
        "if any flags in the group [force debug] are set none of the others can be; [debug force] were all set",
    );
    wrong("zzzzzz", "unknown command \"zzzzzz\" for \"boat\"");
    wrong("pull", "unknown command \"pull\" for \"boat\"\n\nDid you mean this?\n\tpush\n");
    wrong("man", "unknown command \"man\" for \"boat\"\n\nDid you mean this?\n\tmanifest\n");
}

#[test]
fn an_unknown_command_points_to_help() {
    let error = program().dispatch(&words("nope")).result.expect_err("unknown");
    assert_eq!(error.hint().as_deref(), Some("`boat --help` lists the commands"));
    assert!(matches!(error, Error::UnknownCommand { .. }));
}

#[test]
fn deprecated_words_give_notices() {
    let program = program();
    let outcome = program.dispatch(&words("push a -v=false"));
    assert_eq!(outcome.notices, ["Flag --verbose has been deprecated, and will go."]);
    assert_eq!(outcome.use_line(), "boat push [flags] <name> <file> [...]");
    let outcome = program.dispatch(&words("old"));
    assert_eq!(outcome.notices, ["Command \"old\" is deprecated, use push"]);
}

#[test]
fn help_is_laid_out_as_cobra_lays_it_out() {
    let expected = "\
Push files to a registry

Example - Push one file:
  boat push localhost:5000/a hi.txt

Usage:
  boat push [flags] <name> <file> [...]

Flags:
  -a, --annotation stringArray   manifest annotations
      --concurrency int          concurrency level (default 5)
  -d, --debug                    output debug logs
  -f, --force                    do not ask
      --format string            how to print:
                                 'json': as JSON
                                 'text': as text
  -h, --help                     show this help
      --image-spec string        [Preview] type of manifest (default \"v1.1\")
      --media-type strings       accepted types
  -o, --output path              output path
  -u, --username string          registry username

Global Flags:
      --trace   trace everything
";
    for line in ["push --help", "push x -h --concurrency 3", "help push", "push -dh"] {
        assert_eq!(printed(line), expected, "{line}");
    }
}

#[test]
fn groups_list_their_commands() {
    let expected = "\
Usage:
  boat [command]

Available Commands:
  completion  Print a script that completes words in a shell
  help        Describe a command
  manifest    Manifest operations
  push        Push files
  version     Show the version

Flags:
  -h, --help    show this help
      --trace   trace everything

\"boat [command] --help\" describes a command.
";
    assert_eq!(printed(""), expected);
    assert_eq!(printed("--help"), expected);
    let manifest = printed("manifest nope");
    assert!(manifest.starts_with("Manifest operations\n\nUsage:\n  boat manifest [command]\n"), "{manifest}");
    let fetch = printed("help manifest show");
    assert!(fetch.contains("\nAliases:\n  fetch, get, show\n\nFlags:\n"), "{fetch}");
    assert!(printed("help nope").starts_with("Unknown help topic [`nope`]\nUsage:\n"));
}
