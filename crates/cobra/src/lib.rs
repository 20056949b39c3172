//! Command lines in the manner of cobra and pflag: the same grammar, errors, help and completion.
