//! `WWW-Authenticate` challenges, after RFC 9110, section 11.6.1.

use http::HeaderMap;

/// How a registry wants us to say who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::remote) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token from somewhere else.
    Bearer {
        /// URL of the token server.
        realm: String,
        /// Name of the registry there.
        service: String,
        /// What the token has to allow, as scopes separated by spaces.
        scope: String,
    },
}

/// The challenge of an answer that we can meet; Bearer is preferred.
pub(in crate::remote) fn of(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(http::header::WWW_AUTHENTICATE);
    let texts = values.iter().filter_map(|value| value.to_str().ok());
    let mut found = None;
    for challenge in texts.flat_map(parse) {
        match challenge {
            Challenge::Bearer { .. } => return Some(challenge),
            Challenge::Basic => found = Some(challenge),
        }
    }
    found
}

/// Reads one header value, which may hold several challenges separated by commas.
fn parse(text: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for (scheme, parameters) in split(text) {
        let value = |name: &str| {
            let found = parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        if scheme.eq_ignore_ascii_case("basic") {
            challenges.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer") && !value("realm").is_empty() {
            let (realm, service, scope) = (value("realm"), value("service"), value("scope"));
            challenges.push(Challenge::Bearer { realm, service, scope });
        }
    }
    challenges
}

type Parameters = Vec<(String, String)>;

/// Splits into schemes with their parameters.
fn split(text: &str) -> Vec<(String, Parameters)> {
    let mut schemes: Vec<(String, Parameters)> = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', '=', ',', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after = after.trim_start();
        if let (Some(value), Some((_, parameters))) = (after.strip_prefix('='), schemes.last_mut()) {
            let (value, remaining) = take_value(value.trim_start());
            parameters.push((word.to_owned(), value));
            rest = remaining;
        } else {
            schemes.push((word.to_owned(), Vec::new()));
            // A stray `=` would stop us for ever.
            rest = after.trim_start_matches('=');
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    schemes
}

/// A token or a quoted string, and what follows it.
fn take_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_of_real_registries() {
        let bearer = |realm: &str, service: &str, scope: &str| Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
            scope: scope.to_owned(),
        };
        assert_eq!(
            parse(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ),
            [bearer("https://auth.docker.io/token", "registry.docker.io", "repository:a/b:pull,push")]
        );
        assert_eq!(parse(r#"Basic realm="Registry \"x\"""#), [Challenge::Basic]);
        assert_eq!(
            parse(r#"Negotiate, Basic realm="x", Bearer realm="http://t/", service=s"#),
            [Challenge::Basic, bearer("http://t/", "s", "")]
        );
        assert_eq!(parse("Bearer service=x"), []);
    }

    proptest! {
        #[test]
        fn nothing_stops_or_breaks_the_parser(text in "[ -~]{0,80}") {
            parse(&text);
        }
    }
}
