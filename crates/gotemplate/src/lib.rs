//! Go text/template with the common sprig functions, over JSON values.
