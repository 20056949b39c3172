//! The values that templates work on: what Go's `encoding/json` makes of JSON, and what functions add.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Zoned;

use crate::functions::versions::Version;

/// A value. Lists and maps are shared; maps can be changed in place, as sprig's `set` does.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Nothing: JSON's null, or an entry that a map does not have.
    Nil,
    Bool(bool),
    /// What Go calls `int`.
    Int(i64),
    /// What Go calls `float64`: every number of JSON.
    Float(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    Time(Box<Zoned>),
    Version(Rc<Version>),
}

/// A list's items.
#[derive(Debug, Default)]
pub(crate) struct List {
    items: Vec<Value>,
}

/// A map's entries, sorted by key as Go prints and visits them.
#[derive(Debug, Default)]
pub(crate) struct Map {
    entries: RefCell<BTreeMap<Rc<str>, Value>>,
}

impl List {
    pub(crate) fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    /// The entries, to look at. Nothing that may change a map runs while this is held.
    pub(crate) fn entries(&self) -> Ref<'_, BTreeMap<Rc<str>, Value>> {
        self.entries.borrow()
    }

    /// Adds or replaces an entry.
    pub(crate) fn set(&self, key: &str, value: Value) {
        self.entries.borrow_mut().insert(key.into(), value);
    }

    /// Removes an entry.
    pub(crate) fn unset(&self, key: &str) {
        self.entries.borrow_mut().remove(key);
    }
}

/// Values nest as deep as a template makes them; dropping them one inside the other would use up the stack.
fn drop_flat(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    pending.append(&mut list.items);
                }
            }
            Value::Map(map) => {
                if let Some(map) = Rc::into_inner(map) {
                    pending.extend(std::mem::take(&mut *map.entries.borrow_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut self.items));
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        drop_flat(std::mem::take(&mut *self.entries.borrow_mut()).into_values().collect());
    }
}

impl Value {
    pub(crate) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(List { items }))
    }

    pub(crate) fn map<K: Into<Rc<str>>>(entries: impl IntoIterator<Item = (K, Self)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
        Self::Map(Rc::new(Map { entries: RefCell::new(entries) }))
    }

    /// As Go's `encoding/json` reads JSON into `interface{}`: numbers become `float64`.
    pub(crate) fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::text(text.as_str()),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => {
                Self::map(entries.iter().map(|(key, value)| (key.as_str(), Self::from_json(value))))
            }
        }
    }

    /// Go's name of the value's type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Time(_) => "time.Time",
            Self::Version(_) => "*semver.Version",
        }
    }

    /// Go's name of the value's kind.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Time(_) => "struct",
            Self::Version(_) => "ptr",
            other => other.type_name(),
        }
    }

    /// What `if` asks: everything but nil, false, zero and what is empty is true.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.entries().is_empty(),
            Self::Time(_) | Self::Version(_) => true,
        }
    }
}
