//! Tests of the version orders against known facts and the laws of a total order. Programs that know
//! better are asked in `tests/peers.rs`.

use proptest::prelude::*;

use super::*;

const SCHEMES: [Scheme; 12] = [
    Scheme::Dpkg,
    Scheme::Apk,
    Scheme::Rpm,
    Scheme::SemVer,
    Scheme::Pep440,
    Scheme::Gem,
    Scheme::Maven,
    Scheme::NuGet,
    Scheme::Composer,
    Scheme::Pub,
    Scheme::Bitnami,
    Scheme::Generic,
];

/// Checks every `a < b`, `a = b` and `a > b` of a list, and the same turned around.
fn check(scheme: Scheme, facts: &str) {
    for line in facts.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [a, relation, b] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("bad line {line:?}") };
        let expected = match relation {
            "<" => Ordering::Less,
            "=" => Ordering::Equal,
            ">" => Ordering::Greater,
            _ => panic!("bad line {line:?}"),
        };
        assert_eq!(scheme.compare(a, b), expected, "{line}");
        assert_eq!(scheme.compare(b, a), expected.reverse(), "{line}, turned around");
    }
}

macro_rules! facts {
    ($($name:ident: $scheme:ident, $file:literal;)*) => {$(
        #[test]
        fn $name() {
            check(Scheme::$scheme, include_str!(concat!("../../tests/fixtures/versions/", $file)));
        }
    )*};
}

facts! {
    dpkg_facts_hold: Dpkg, "dpkg.txt";
    apk_facts_hold: Apk, "apk.txt";
    rpm_facts_hold: Rpm, "rpm.txt";
    semver_facts_hold: SemVer, "semver.txt";
    pep440_facts_hold: Pep440, "pep440.txt";
    gem_facts_hold: Gem, "gem.txt";
    maven_facts_hold: Maven, "maven.txt";
    nuget_facts_hold: NuGet, "nuget.txt";
    composer_facts_hold: Composer, "composer.txt";
    pub_facts_hold: Pub, "pub.txt";
}

#[test]
fn what_has_no_package_is_ordered_plainly() {
    check(
        Scheme::Generic,
        "1.0.2 < 1.0.2a\n1.0.2z < 1.0.2za\n1.0.2zd > 1.0.2k\n1.1.1-pre1 < 1.1.1\n1.1.1a > 1.1.1\n1.1.1a < 1.1.2\n\
         8u292 = 1.8.0_292\n8u292 < 8u302\n1.8.0_292 < 11.0.2\n11.0.2+9 < 11.0.3+1\n1.2 = 1.2.0\n20.0.0 > 18.19.1\n\
         3.12.0rc1 < 3.12.0\n3.12.0a1 < 3.12.0b1\n2.4.58 < 2.4.59\nv1.2 = 1.2\n1.0.0-beta.2 < 1.0.0",
    );
}

#[test]
fn the_revision_of_bitnami_does_not_count() {
    check(Scheme::Bitnami, "1.2.3-4 = 1.2.3\n1.2.3-rc1 < 1.2.3\n1.2.3-r1 < 1.2.3\n1.2.4-0 > 1.2.3-9");
}

#[test]
fn npm_versions_are_read_leniently() {
    let facts = "v1.2.3 = 1.2.3\n=1.2.3 = 1.2.3\n1.2 = 1.2.0\n1 = 1.0.0\n1.2.3beta = 1.2.3-beta\n1.2.3 < 1.2.3.1\n\
                 01.2.3 = 1.2.3\nlatest < 0.0.0-0\nlatest < master\n1..2 < 0.0.0-0";
    check(Scheme::SemVer, facts);
}

#[test]
fn what_is_no_version_sorts_below_every_version() {
    check(Scheme::Pep440, "2004d < 0.dev0\n2004d < 2004e");
    check(Scheme::SemVer, "latest < 0.0.0-0");
}

#[test]
fn validity_is_told() {
    let cases = [
        (Scheme::Dpkg, "1:2.36-9+deb12u3~x", true),
        (Scheme::Dpkg, "latest", false),
        (Scheme::Dpkg, "1.0 beta", false),
        (Scheme::Dpkg, "", false),
        (Scheme::Apk, "1.2.3a_pre2~abc-r4", true),
        (Scheme::Apk, "1.2.3-4", false),
        (Scheme::Apk, "1.2_foo", false),
        (Scheme::Apk, "", false),
        (Scheme::SemVer, "v1.2", true),
        (Scheme::SemVer, "latest", false),
        (Scheme::Pep440, "1.0.post1", true),
        (Scheme::Pep440, "2004d", false),
        (Scheme::Rpm, "1:3.0.7-24.el9", true),
        (Scheme::Rpm, "", false),
        (Scheme::Maven, "31.1-jre", true),
        (Scheme::Maven, "unspecified", false),
        (Scheme::Composer, "dev-main", false),
        (Scheme::Composer, "2.1.x-dev", true),
    ];
    for (scheme, version, expected) in cases {
        assert_eq!(scheme.is_valid(version), expected, "{scheme:?} {version:?}");
    }
}

#[test]
fn digits_compare_by_value() {
    assert_eq!(compare_digits("007", "7"), Ordering::Equal);
    assert_eq!(compare_digits("", "0"), Ordering::Equal);
    assert_eq!(compare_digits("9", "10"), Ordering::Less);
    assert_eq!(compare_digits("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
}

/// Text made of the pieces that versions are made of, so that near misses are common.
fn version_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[0-9]{1,2}",
        4 => Just(".".to_owned()),
        2 => Just("-".to_owned()),
        1 => "[a-c~+:_!]",
        2 => prop::sample::select(vec![
            "_alpha", "_rc", "_p", "_git", "-r", "~", "rc", "a", "b", "dev", ".post", ".dev", "-alpha", "-beta", "é", " ",
            "ga", "final", "sp", "snapshot", "^", ".x-dev", "patch",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_order_is_total(a in version_like(), b in version_like(), c in version_like()) {
        for scheme in SCHEMES {
            let compare = |a: &str, b: &str| scheme.compare(a, b);
            prop_assert_eq!(compare(&a, &a), Ordering::Equal, "{:?}", scheme);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse(), "{:?}", scheme);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le(), "{:?}", scheme);
            }
            if compare(&a, &b).is_eq() {
                prop_assert_eq!(compare(&a, &c), compare(&b, &c), "{:?}", scheme);
            }
        }
    }

    #[test]
    fn no_text_makes_an_order_panic(a in ".*", b in ".*") {
        for scheme in SCHEMES {
            let _ = scheme.compare(&a, &b);
            let _ = scheme.is_valid(&a);
        }
    }

    /// The `semver` crate follows the specification and nothing else.
    #[test]
    fn real_semver_agrees(
        a in "[0-9]\\.[0-9]\\.[0-9](-[0-9a-c]{1,2}(\\.[0-9a-c]{1,2}){0,2})?",
        b in "[0-9]\\.[0-9]\\.[0-9](-[0-9a-c]{1,2}(\\.[0-9a-c]{1,2}){0,2})?",
    ) {
        if let (Ok(parsed_a), Ok(parsed_b)) = (::semver::Version::parse(&a), ::semver::Version::parse(&b)) {
            prop_assert_eq!(Scheme::SemVer.compare(&a, &b), parsed_a.cmp_precedence(&parsed_b));
        }
    }
}
