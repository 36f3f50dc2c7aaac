//! Documents that are maps.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
};

use serde::{
    Deserializer, Serializer,
    de::{Error as _, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use super::{Document, ObjectKey, Part, Scratch, Seed};
use crate::{
    impls::{MapView, OwnedMap},
    key::Key,
};

struct Map<'t, K, V, M> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> (K, V, M)>,
}

impl<'t, K: Key + ObjectKey<'t>, V: Document<'t>, M: 't> Visitor<'t> for Map<'t, K, V, M> {
    type Value = MapView<'t, K, V, M>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let scratch = self.scratch;
        let mut views = scratch.list();
        while let Some(key) = entries.next_key_seed(Seed::<K>::new(scratch))? {
            match entries.next_value_seed(Seed::<V>::new(scratch)) {
                Ok(value) => views.push((key, value)),
                Err(error) => return Err(scratch.within_key(key, error)),
            }
        }
        views.sort_unstable_by(|a, b| K::compare(a.0, b.0));
        if let Some(twice) = views.windows(2).find(|pair| K::same(pair[0].0, pair[1].0)) {
            return Err(A::Error::custom(format_args!("the key {:?} is there twice", twice[0].0)));
        }
        Ok(MapView::Views(views.into_bump_slice()))
    }
}

fn serialize<'t, K, V, M, S>(view: MapView<'_, K, V, M>, to: S) -> Result<S::Ok, S::Error>
where
    K: Key + ObjectKey<'t>,
    V: Document<'t>,
    M: OwnedMap<K, V>,
    S: Serializer,
{
    let mut map = to.serialize_map(Some(view.len()))?;
    for (key, value) in view {
        map.serialize_entry(&Part::<'_, 't, K>::new(key), &Part::<'_, 't, V>::new(value))?;
    }
    map.end()
}

/// An object, in the order of [`Key::compare`]. A key that is there twice is an error.
macro_rules! map {
    ([$($parameters:tt)*] $map:ty) => {
        impl<'t, $($parameters)*> Document<'t> for $map {
            fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<Self::View<'t>, D::Error> {
                from.deserialize_map(Map::<K, V, Self> { scratch, record: PhantomData })
            }

            fn serialize<S: Serializer>(view: Self::View<'_>, to: S) -> Result<S::Ok, S::Error> {
                serialize(view, to)
            }
        }
    };
}

map!([K: Key + ObjectKey<'t> + Ord, V: Document<'t>] BTreeMap<K, V>);
map!([K: Key + ObjectKey<'t> + Hash + Eq, V: Document<'t>, B: BuildHasher + Default + Send + 'static] HashMap<K, V, B>);
