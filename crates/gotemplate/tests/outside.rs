//! The sprig functions that ask for the world outside of a template: the environment, the network, chance.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tidewaiter_gotemplate::{Limits, Surroundings, Template};

/// A world with two variables, one host, and chance that can be foreseen.
struct World(AtomicU64);

impl Surroundings for World {
    fn variable(&self, name: &str) -> Option<String> {
        Some(match name {
            "USER" => "ada".to_owned(),
            "A_1" => "$USER".to_owned(),
            _ => String::new(),
        })
    }

    fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        Some(if host == "known.example" {
            vec!["192.0.2.7".parse().expect("an address")]
        } else {
            Vec::new()
        })
    }

    fn random(&self) -> Option<u64> {
        // The odd constant visits all numbers in an order without a visible pattern.
        Some(self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

fn render(text: &str) -> Result<String, String> {
    let template = Template::parse("t", text).map_err(|error| error.to_string())?;
    let data = serde_json::Value::Null;
    template
        .render(&data, &World(AtomicU64::new(0x2545_f491_4f6c_dd1d)), Limits::default())
        .map_err(|error| error.to_string())
}

fn check(text: &str, expected: &str) {
    assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
}

#[test]
fn environment() {
    check("{{env \"USER\"}}|{{env \"NOPE\"}}", "ada|");
    check("{{expandenv \"$USER-${USER}_$A_1 $NOPE$\"}}", "ada-ada_$USER $");
    check("{{expandenv \"$1x ${} ${open $. é$USER\"}}", "x  open $. éada");
}

#[test]
fn network() {
    check("{{getHostByName \"known.example\"}}", "192.0.2.7");
    let failure = render("{{getHostByName \"other.example\"}}");
    assert!(failure.is_err_and(|error| error.ends_with("lookup other.example: no such host")));
}

#[test]
fn random_texts() {
    let of = |text: &str, length: usize, fits: fn(char) -> bool| {
        let made = render(text).expect(text);
        assert_eq!(made.len(), length, "{text} {made}");
        assert!(made.chars().all(fits), "{text} {made}");
        let distinct: std::collections::BTreeSet<char> = made.chars().collect();
        assert!(length < 2 || distinct.len() > 4, "{text} {made}");
    };
    of("{{randAlphaNum 40}}", 40, |c| c.is_ascii_alphanumeric());
    of("{{randAlpha 40}}", 40, |c| c.is_ascii_alphabetic());
    of("{{randNumeric 40}}", 40, |c| c.is_ascii_digit());
    of("{{randAscii 40}}", 40, |c| (' '..='~').contains(&c));
    of("{{randBytes 10}}", 16, |c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    check("{{randAlpha 0}}{{randAlpha -1}}", "");
    let uuid = render("{{uuidv4}}").expect("a UUID");
    let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
    assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
    let mut shuffled: Vec<char> = render("{{shuffle \"abcdéf\"}}").expect("a text").chars().collect();
    shuffled.sort_unstable();
    assert_eq!(shuffled, ['a', 'b', 'c', 'd', 'f', 'é']);
    check("{{range until 50}}{{$n := randInt 3 6}}{{if or (lt $n 3) (ge $n 6)}}{{$n}}{{end}}{{end}}", "");
    assert!(render("{{randInt 3 3}}").is_err_and(|error| error.ends_with("invalid argument to Intn")));
    // What is asked for is bounded before it is made.
    for text in ["{{randAscii 9223372036854775807}}", "{{randBytes 9223372036854775807}}"] {
        assert!(render(text).is_err_and(|error| error.contains("too much work")), "{text}");
    }
}

#[test]
fn passwords() {
    let line = render("{{htpasswd \"user\" \"secret\"}}").expect("a line");
    let hash = line.strip_prefix("user:").expect("the name");
    assert!(hash.starts_with("$2a$10$"), "{hash}");
    assert_eq!(bcrypt::verify("secret", hash).ok(), Some(true));
    check("{{htpasswd \"us:er\" \"x\"}}", "invalid username: us:er");
    check("{{bcrypt \"secret\" | trunc 7}}", "$2a$10$");
    // The examples of sprig's documentation and tests.
    check("{{derivePassword 1 \"long\" \"password\" \"user\" \"example.com\"}}", "ZedaFaxcZaso9*");
    check("{{derivePassword 1 \"maximum\" \"password\" \"user\" \"example.com\"}}", "pf4zS1LjCg&LjhsZ7T2~");
    check("{{derivePassword 1 \"pin\" \"password\" \"user\" \"example.com\"}}", "6685");
    check("{{derivePassword 1 \"odd\" \"p\" \"u\" \"s\"}}", "cannot find password template odd");
}
