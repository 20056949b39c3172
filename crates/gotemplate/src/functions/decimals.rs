//! sprig: arithmetic on decimal fractions, where one tenth and two tenths are three tenths.

use crate::value::Value;

use super::Function;
use super::Parameter::Any;
use super::math::float;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("add1f", &[Any], |_, values| {
        Ok(Value::Float(applied(float(&values[0]), 1.0, Decimal::add, |a, b| a + b)))
    }),
    Function::variadic("addf", &[], Any, |_, values| {
        Ok(folded(0.0, values, |sum, value| applied(sum, value, Decimal::add, |a, b| a + b)))
    }),
    Function::variadic("subf", &[Any], Any, |_, values| {
        Ok(folded(float(&values[0]), &values[1..], |rest, value| {
            applied(rest, -value, Decimal::add, |a, b| a + b)
        }))
    }),
    Function::variadic("mulf", &[Any], Any, |_, values| {
        Ok(folded(float(&values[0]), &values[1..], |product, value| {
            applied(product, value, Decimal::multiply, |a, b| a * b)
        }))
    }),
    Function::variadic("divf", &[Any], Any, |_, values| {
        if values[1..].iter().any(|value| float(value) == 0.0) {
            return Err("decimal division by 0".to_owned());
        }
        Ok(folded(float(&values[0]), &values[1..], |rest, value| {
            applied(rest, value, Decimal::divide, |a, b| a / b)
        }))
    }),
];

fn folded(first: f64, values: &[Value], operation: impl Fn(f64, f64) -> f64) -> Value {
    Value::Float(values.iter().map(float).fold(first, operation))
}

/// An operation in decimals; in binary when the numbers are too large or too small for that.
fn applied(
    a: f64,
    b: f64,
    decimal: fn(Decimal, Decimal) -> Option<Decimal>,
    binary: fn(f64, f64) -> f64,
) -> f64 {
    let result = Decimal::new(a).zip(Decimal::new(b)).and_then(|(a, b)| decimal(a, b));
    result.map_or_else(|| binary(a, b), Decimal::value)
}

/// Places after the point that a quotient is rounded to.
const QUOTIENT_PLACES: u32 = 16;

/// A number `digits / 10^places`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    digits: i128,
    places: u32,
}

impl Decimal {
    /// The shortest decimal that is nearest to this number.
    fn new(value: f64) -> Option<Self> {
        let scientific = format!("{value:e}");
        let (mantissa, exponent) = scientific.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let digits: i128 = mantissa.replace('.', "").parse().ok()?;
        let places = i32::try_from(fraction).ok()? - exponent;
        match u32::try_from(places) {
            Ok(places) => Some(Self { digits, places }),
            Err(_) => Some(Self { digits: digits.checked_mul(power(places.unsigned_abs())?)?, places: 0 }),
        }
    }

    fn value(self) -> f64 {
        format!("{}e-{}", self.digits, self.places).parse().unwrap_or(f64::NAN)
    }

    fn with_places(self, places: u32) -> Option<i128> {
        self.digits.checked_mul(power(places.checked_sub(self.places)?)?)
    }

    fn add(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        Some(Self { digits: self.with_places(places)?.checked_add(other.with_places(places)?)?, places })
    }

    fn multiply(self, other: Self) -> Option<Self> {
        let places = self.places.checked_add(other.places)?;
        Some(Self { digits: self.digits.checked_mul(other.digits)?, places })
    }

    /// Rounded at the last place, halves away from zero.
    fn divide(self, other: Self) -> Option<Self> {
        let places = self.places.max(QUOTIENT_PLACES + other.places);
        let dividend = self.with_places(places)?;
        let divisor = other.with_places(other.places.max(places - QUOTIENT_PLACES))?;
        let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        let rounds = rest.unsigned_abs().checked_mul(2)? >= divisor.unsigned_abs();
        let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        Some(Self { digits: quotient + if rounds { away } else { 0 }, places: QUOTIENT_PLACES })
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}
