//! What the proxy does to whom: delays, and rules that choose requests and name a fault.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What the proxy does. The default passes everything on, at once.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub(super) round_trip: Duration,
    pub(super) handshake: Duration,
    pub(super) rules: Vec<Rule>,
}

impl Plan {
    /// A plan that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds latency: half of it to each byte on its way to the server, half on the way back. Bandwidth is not
    /// limited, and requests in flight together are delayed together.
    #[must_use]
    pub fn round_trip(mut self, time: Duration) -> Self {
        self.round_trip = time;
        self
    }

    /// Holds the first bytes of a new connection back for this long: what TCP's handshake costs on a real line
    /// (one round trip), or TCP's and TLS's together (two or three).
    #[must_use]
    pub fn handshake(mut self, time: Duration) -> Self {
        self.handshake = time;
        self
    }

    /// Adds a rule. The first rule that fires decides.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Counts the request for every rule, and gives the fault of the first that fires.
    pub(super) fn decide(&mut self, method: &str, class: PathClass) -> Option<Fault> {
        let mut decided = None;
        for rule in &mut self.rules {
            if rule.fires(method, class, decided.is_none()) {
                decided = Some(rule.fault);
            }
        }
        decided
    }
}

/// Requests to choose, and what happens to them.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    when: When,
    method: Option<String>,
    class: Option<PathClass>,
    left: Option<u64>,
    seen: u64,
}

impl Rule {
    /// A rule over all requests.
    #[must_use]
    pub fn new(when: When, fault: Fault) -> Self {
        Self { fault, when, method: None, class: None, left: None, seen: 0 }
    }

    /// Only requests of this method are counted and chosen.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Only requests of this class are counted and chosen.
    #[must_use]
    pub fn class(mut self, class: PathClass) -> Self {
        self.class = Some(class);
        self
    }

    /// Fires no more than so many times.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }

    fn fires(&mut self, method: &str, class: PathClass, free: bool) -> bool {
        let concerned = self.method.as_ref().is_none_or(|wanted| wanted == method)
            && self.class.is_none_or(|wanted| wanted == class);
        if !concerned {
            return false;
        }
        self.seen += 1;
        let fires = free && self.left != Some(0) && self.when.chooses(self.seen);
        if fires && let Some(left) = &mut self.left {
            *left -= 1;
        }
        fires
    }
}

/// Which of the requests that a rule sees, counted from one in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Every k-th: with 3 the third, sixth, …
    Every(u64),
    /// This one only.
    Nth(u64),
    /// One in so many, scattered, the same ones for the same seed.
    Seeded {
        /// Chooses the pattern.
        seed: u64,
        /// How rare: 4 is a quarter of them on average.
        one_in: u64,
    },
}

impl When {
    fn chooses(self, ordinal: u64) -> bool {
        match self {
            Self::Every(k) => ordinal.is_multiple_of(k.max(1)),
            Self::Nth(n) => ordinal == n,
            Self::Seeded { seed, one_in } => {
                splitmix(seed.wrapping_add(splitmix(ordinal))).is_multiple_of(one_in.max(1))
            }
        }
    }
}

/// SplitMix64's output function: enough to scatter, and the same everywhere.
fn splitmix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server never sees the request; the proxy answers it.
    Answer {
        /// The status code.
        status: u16,
        /// Seconds for the header `Retry-After`.
        retry_after: Option<u32>,
    },
    /// The connection ends after so many bytes of the request, its head included, have gone to the server.
    CutRequest {
        /// Bytes passed on.
        after: u64,
    },
    /// The connection ends after so many bytes of the response, its head included, have gone to the client.
    CutResponse {
        /// Bytes passed on.
        after: u64,
    },
    /// The response announces its whole body and ends in the middle of it.
    HalfBody,
}

/// What a request is about, by the paths of the distribution specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathClass {
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags,
    /// `/v2/<name>/manifests/<reference>`
    Manifest,
    /// `/v2/<name>/blobs/<digest>`
    Blob,
    /// `/v2/<name>/blobs/uploads/…`
    Upload,
    /// `/v2/<name>/referrers/<digest>`
    Referrers,
    /// Everything else: tokens, other interfaces.
    Other,
}

/// The classes by the names that [`FromStr`] and [`fmt::Display`] use.
const CLASSES: [(&str, PathClass); 8] = [
    ("ping", PathClass::Ping),
    ("catalog", PathClass::Catalog),
    ("tags", PathClass::Tags),
    ("manifest", PathClass::Manifest),
    ("blob", PathClass::Blob),
    ("upload", PathClass::Upload),
    ("referrers", PathClass::Referrers),
    ("other", PathClass::Other),
];

impl PathClass {
    /// The class of a request target, with or without query.
    #[must_use]
    pub fn of(target: &str) -> Self {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let Some(rest) = path.strip_prefix("/v2") else {
            return Self::Other;
        };
        match rest {
            "" | "/" => return Self::Ping,
            "/_catalog" => return Self::Catalog,
            _ => {}
        }
        if rest.ends_with("/blobs/uploads") || rest.contains("/blobs/uploads/") {
            return Self::Upload;
        }
        // A repository may itself be called `manifests`: only the last two parts tell.
        match rest.rsplit('/').nth(1) {
            Some("tags") if rest.ends_with("/list") => Self::Tags,
            Some("manifests") => Self::Manifest,
            Some("blobs") => Self::Blob,
            Some("referrers") => Self::Referrers,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for PathClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = CLASSES.iter().find(|(_, class)| class == self).map_or("other", |(name, _)| name);
        f.pad(name)
    }
}

impl FromStr for PathClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = CLASSES.iter().find(|(name, _)| *name == text);
        known.map(|(_, class)| *class).ok_or_else(|| format!("no class of requests is called {text:?}"))
    }
}

/// Reads a rule as `key=value` pairs between commas.
///
/// When: `every=K`, `nth=N`, or `seed=S` with `one-in=K`. What: `status=429` with `retry-after=1`,
/// `cut-request=BYTES`, `cut-response=BYTES`, `half-body`. Which: `method=GET`, `class=blob`, `at-most=3`.
impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = Words::default();
        for word in text.split(',') {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            words.take(key, value)?;
        }
        let when = match (words.every, words.nth, words.seed) {
            (Some(k), None, None) => When::Every(k),
            (None, Some(n), None) => When::Nth(n),
            (None, None, Some(seed)) => When::Seeded { seed, one_in: words.one_in.unwrap_or(2) },
            _ => return Err("one of every=K, nth=N and seed=S says which requests".to_owned()),
        };
        let mut rule = Self::new(when, words.fault.ok_or("a rule names a fault: status=429, half-body, …")?);
        if let (Fault::Answer { retry_after, .. }, Some(seconds)) = (&mut rule.fault, words.retry_after) {
            *retry_after = Some(seconds);
        }
        rule.method = words.method;
        rule.class = words.class;
        rule.left = words.at_most;
        Ok(rule)
    }
}

/// The words of a rule as they were given.
#[derive(Default)]
struct Words {
    every: Option<u64>,
    nth: Option<u64>,
    seed: Option<u64>,
    one_in: Option<u64>,
    at_most: Option<u64>,
    fault: Option<Fault>,
    retry_after: Option<u32>,
    method: Option<String>,
    class: Option<PathClass>,
}

impl Words {
    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "every" => self.every = Some(number(key, value)?),
            "nth" => self.nth = Some(number(key, value)?),
            "seed" => self.seed = Some(number(key, value)?),
            "one-in" => self.one_in = Some(number(key, value)?),
            "at-most" => self.at_most = Some(number(key, value)?),
            "status" => self.fault = Some(Fault::Answer { status: number(key, value)?, retry_after: None }),
            "retry-after" => self.retry_after = Some(number(key, value)?),
            "cut-request" => self.fault = Some(Fault::CutRequest { after: number(key, value)? }),
            "cut-response" => self.fault = Some(Fault::CutResponse { after: number(key, value)? }),
            "half-body" => self.fault = Some(Fault::HalfBody),
            "method" => self.method = Some(value.to_ascii_uppercase()),
            "class" => self.class = Some(value.parse()?),
            _ => return Err(format!("a rule has no word {key:?}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{key}={value} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_their_classes() {
        for (target, class) in [
            ("/v2/", PathClass::Ping),
            ("/v2/_catalog?n=3", PathClass::Catalog),
            ("/v2/a/b/tags/list", PathClass::Tags),
            ("/v2/a/b/manifests/v1", PathClass::Manifest),
            ("/v2/manifests/tags/blobs/sha256:00", PathClass::Blob),
            ("/v2/a/blobs/uploads/?mount=x&from=y", PathClass::Upload),
            ("/v2/a/blobs/uploads/3f/part", PathClass::Upload),
            ("/v2/a/referrers/sha256:00?artifactType=x", PathClass::Referrers),
            ("/token?scope=repository:a:pull", PathClass::Other),
        ] {
            assert_eq!(PathClass::of(target), class, "{target}");
            assert_eq!(class.to_string().parse(), Ok(class));
        }
    }

    #[test]
    fn rules_fire_where_they_say() {
        let fired = |text: &str| -> Vec<u64> {
            let mut plan = Plan::new().rule(text.parse().expect("a rule"));
            (1..=20).filter(|_| plan.decide("GET", PathClass::Blob).is_some()).collect()
        };
        assert_eq!(fired("every=6,half-body"), [6, 12, 18]);
        assert_eq!(fired("every=6,at-most=2,half-body"), [6, 12]);
        assert_eq!(fired("nth=5,status=500"), [5]);
        assert_eq!(fired("every=1,status=500,class=manifest"), [0; 0]);
        assert_eq!(fired("every=1,status=500,method=put"), [0; 0]);
        let scattered = fired("seed=7,one-in=3,cut-request=10");
        assert_eq!(scattered, fired("seed=7,one-in=3,cut-request=10"));
        assert!((2..=12).contains(&scattered.len()), "{scattered:?}");
        assert_ne!(scattered, fired("seed=8,one-in=3,cut-request=10"));
    }

    #[test]
    fn wrong_rules_are_refused() {
        for text in
            ["", "every=1", "status=500", "every=x,status=500", "every=1,class=soup,status=500", "soup=1"]
        {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
