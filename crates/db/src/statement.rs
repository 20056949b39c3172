//! Statements: static texts, the same for both engines or one for each.

/// A statement. A `&'static str` becomes one that both engines take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// What SQLite is sent.
    pub(crate) sqlite: &'static str,
    /// What PostgreSQL is sent.
    pub(crate) postgres: &'static str,
}

impl Statement {
    /// One text for both engines.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }

    /// A text for each engine, where there is no common one.
    #[must_use]
    pub const fn each(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    pub(crate) fn in_one_line(self) -> String {
        self.sqlite.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl From<&'static str> for Statement {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

/// Declares the statements of an area, visible in the crate, and `ALL`, the public list of them that a test
/// prepares on both engines.
///
/// ```
/// mod sql {
///     tidewaiter_db::statements! {
///         /// Jobs that wait or run.
///         UNFINISHED = "SELECT id FROM jobs WHERE dead = 0";
///         /// A text for each engine.
///         NOW = sqlite "SELECT unixepoch()", postgres "SELECT extract(epoch FROM now())";
///     }
/// }
/// assert_eq!(sql::ALL.len(), 2);
/// ```
#[macro_export]
macro_rules! statements {
    // One declaration at a time is taken off the front; the names gather in the brackets.
    (@next [$($names:ident)*]) => {
        /// Every statement of this module with its name.
        #[allow(dead_code, unreachable_pub, reason = "only tests read it, some from outside of the crate")]
        pub const ALL: &[(&str, $crate::Statement)] = &[$((stringify!($names), $names)),*];
    };
    (@next [$($names:ident)*] $(#[$doc:meta])* $name:ident = sqlite $sqlite:expr, postgres $postgres:expr; $($rest:tt)*) => {
        $(#[$doc])*
        pub(crate) const $name: $crate::Statement = $crate::Statement::each($sqlite, $postgres);
        $crate::statements!(@next [$($names)* $name] $($rest)*);
    };
    (@next [$($names:ident)*] $(#[$doc:meta])* $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        pub(crate) const $name: $crate::Statement = $crate::Statement::new($text);
        $crate::statements!(@next [$($names)* $name] $($rest)*);
    };
    (@next $($wrong:tt)*) => {
        compile_error!("a declaration reads `NAME = \"text\";` or `NAME = sqlite \"text\", postgres \"text\";`");
    };
    ($($declarations:tt)*) => {
        $crate::statements!(@next [] $($declarations)*);
    };
}
