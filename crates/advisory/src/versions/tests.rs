//! Tests of the version orders against upstream vectors and the laws of a total order.

use super::*;

#[test]
fn digits_compare_by_value() {
    assert_eq!(compare_digits("007", "7"), Ordering::Equal);
    assert_eq!(compare_digits("", "0"), Ordering::Equal);
    assert_eq!(compare_digits("9", "10"), Ordering::Less);
    assert_eq!(compare_digits("99999999999999999999999", "100000000000000000000000"), Ordering::Less);
}
