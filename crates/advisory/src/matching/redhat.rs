//! What the version of an RPM package tells beside its place in the order: which module it was built in, which flavour
//! it is of, and on which branch of a release it lies.

/// Whether a version says an epoch.
pub(super) fn has_epoch(version: &str) -> bool {
    without_epoch(version).len() < version.len()
}

/// The version without its epoch.
pub(super) fn without_epoch(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => version,
    }
}

/// Packages that are made beside the ordinary ones under the same names, with fixes of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flavour {
    /// Built in a module: an advisory for a module says nothing of the package outside it, and the other way round.
    pub(super) is_modular: bool,
    /// Oracle's packages that can be patched while they run.
    ksplice: bool,
    /// Oracle's certified packages.
    fips: bool,
}

impl Flavour {
    /// Reads the flavour from the release of a version.
    pub(super) fn of(version: &str) -> Self {
        Self {
            is_modular: version.contains(".module+") || version.contains(".module_"),
            ksplice: version.contains(".ksplice"),
            fips: version.contains("_fips"),
        }
    }
}

/// Where in a release a version lies: the version without release, and the minor release that the package was built
/// for, when it says so (`.el9_4`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Branch<'a> {
    version: &'a str,
    minor: Option<&'a str>,
}

impl<'a> Branch<'a> {
    /// Only what Red Hat and those who rebuild it number so has a branch.
    fn of(version: &'a str) -> Option<Self> {
        let (version, release) = without_epoch(version).rsplit_once('-')?;
        let tag = release.find(".el").map(|at| &release[at + 3..])?;
        let major = tag.bytes().take_while(u8::is_ascii_digit).count();
        let minor = tag[major..]
            .strip_prefix('_')
            .map(|minor| &minor[..minor.bytes().take_while(u8::is_ascii_digit).count()]);
        Some(Self { version, minor: minor.filter(|minor| !minor.is_empty()) })
    }

    fn meets(self, other: Self) -> bool {
        self.version == other.version
            && (self.minor == other.minor || self.minor.is_none() || other.minor.is_none())
    }
}

/// Whether an update to `fixed` tells of a package at `installed` that has another update of the same vulnerability
/// behind it already.
///
/// Red Hat mends a vulnerability once on every branch of a release that needs it. Having the fix of one branch, a
/// package needs that of a later one only when it lies on it: `3.9.18-9.el9_4` has what `3.9.18-3.el9_4.5` brought, and
/// does not wait for `3.9.19-8.el9_5`; a kernel `427.5.1.el9_4` has not what `362.24.1.el9_3` brought.
pub(super) fn concerns(installed: &str, fixed: &str) -> bool {
    match (Branch::of(installed), Branch::of(fixed)) {
        (Some(installed), Some(fixed)) => installed.meets(fixed),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_concerns_its_own_branch() {
        for (installed, fixed, expected) in [
            ("3.9.18-9.el9_4", "3.9.19-8.el9", false),
            ("3.9.19-7.el9", "3.9.19-8.el9", true),
            ("5.14.0-427.5.1.el9_4", "5.14.0-427.13.1.el9_4", true),
            ("5.14.0-362.30.1.el9_3", "5.14.0-427.13.1.el9_4", false),
            ("1:3.0.7-24.el9", "1:3.0.7-25.el9_3", true),
            ("1.2-3", "1.3-1", true),
        ] {
            assert_eq!(concerns(installed, fixed), expected, "{installed} {fixed}");
        }
    }

    #[test]
    fn flavours_are_told_by_the_release() {
        let modular = Flavour::of("1:18.19.0-1.module_el8.9.0+3720+17b8d4ee");
        assert!(modular.is_modular && modular != Flavour::of("1:18.19.0-1.el8"));
        assert_eq!(Flavour::of("1.0-1.el9"), Flavour::of("2:7.1-3.el8_9.2"));
        assert_ne!(Flavour::of("3.6.16-4.0.1.el8_fips"), Flavour::of("3.6.16-4.el8"));
        assert_ne!(Flavour::of("2:2.17-326.0.9.ksplice1.el7_9.3"), Flavour::of("2.17-326.0.9.el7_9.3"));
    }

    #[test]
    fn epochs_are_taken_off() {
        assert_eq!((without_epoch("1:2-3"), has_epoch("1:2-3")), ("2-3", true));
        assert_eq!((without_epoch("2-3"), has_epoch("2-3")), ("2-3", false));
    }
}
