//! The `detail` of a registry's error as text: as Go's `%v` prints what `encoding/json` read, which is how the
//! tools of this field show it.

use serde_json::Value;

/// A detail as Go prints it: `map[name:a/b tags:[v1 v2]]`. Texts stand without quotes.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), float),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members.into_iter().map(|(name, value)| format!("{name}:{}", shown(value)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
    }
}

/// All numbers are `float64` to Go, which writes millions and more, and very small ones, with an exponent of at
/// least two digits.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_print_as_go_prints_them() {
        let check = |json: &str, expected: &str| {
            assert_eq!(shown(&serde_json::from_str(json).expect("JSON")), expected, "{json}");
        };
        check(r#"{"name":"nope"}"#, "map[name:nope]");
        check(r#"{"b":[1,"x",null,true],"a":{}}"#, "map[a:map[] b:[1 x <nil> true]]");
        check(r#""plain""#, "plain");
        check("[0, -2.5, 123456, 1048576, 1e-7]", "[0 -2.5 123456 1.048576e+06 1e-07]");
    }
}
