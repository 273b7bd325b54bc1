//! Parts that most rows and specifications have nothing in, and that take no room of their own until there is something.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What can be nothing; that is its default.
pub trait Nothing: Default + PartialEq + 'static {
    /// Returns what it is when there is nothing in it.
    fn nothing() -> &'static Self;
}

/// A part in which there is mostly nothing. Reads and is written as the part itself, and compares as that.
#[derive(Clone, Debug, Default)]
pub struct Rare<T>(Option<Box<T>>);

impl<T: Nothing> Rare<T> {
    /// Gives the room back when there is nothing in it any more.
    pub fn tidy(&mut self) {
        self.0.take_if(|part| **part == *T::nothing());
    }

    /// Returns it to be changed, if there is room for it; what is looked through should not get room by that.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Says whether there is nothing in it.
    pub fn is_nothing(&self) -> bool {
        **self == *T::nothing()
    }
}

impl<T: Nothing> From<T> for Rare<T> {
    fn from(part: T) -> Self {
        Self((part != *T::nothing()).then(|| Box::new(part)))
    }
}

impl<T: Nothing> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::nothing())
    }
}

impl<T: Nothing> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Nothing> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Nothing + Eq> Eq for Rare<T> {}

impl<T: Nothing + Serialize> Serialize for Rare<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(s)
    }
}

impl<'de, T: Nothing + Deserialize<'de>> Deserialize<'de> for Rare<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::deserialize(d).map(Self::from)
    }
}

impl<T: JsonSchema> JsonSchema for Rare<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::spec::Scheduling;

    #[test]
    fn it_is_written_read_and_compared_as_what_it_is() {
        let mut part = Rare::<Scheduling>::default();
        assert_eq!((serde_json::to_string(&part).unwrap().as_str(), size_of_val(&part)), ("{}", 8));
        assert_eq!(part.get_mut(), None);
        part.after = vec!["run-1".to_owned()];
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Rare<Scheduling>>(&text).unwrap(), part);
        part.after.clear();
        assert!(part.is_nothing() && part == Rare::default() && part.get_mut().is_some());
        part.tidy();
        assert_eq!(part.get_mut(), None);
    }
}
