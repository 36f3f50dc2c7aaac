//! What emitted code names, at a path of this test: `#[record(crate = crate::support)]`.

#[doc(hidden)]
pub(crate) mod __private {
    pub(crate) use millstream_core as core;
    pub(crate) use millstream_core::__private::rkyv;
}

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns, Received},
    record::Record,
    time::Timestamp,
};

/// The record as one process sends it and another receives it: encoded, checked, and read back as an owned record.
pub(crate) fn travel<T: Record>(record: &T) -> T {
    travel_view::<T>(record.view())
}

/// As [`travel`], for a view.
pub(crate) fn travel_view<T: Record>(view: T::View<'_>) -> T {
    let buffer = seal::<T>(view);
    let received = Received { header: *buffer.header(), bytes: buffer.bytes().to_vec() };
    let buffer = received.validate::<T>().expect("what a builder sealed is valid");
    let (view, _) = buffer.records::<T>(0).next().expect("one record was pushed");
    T::from_view(view)
}

/// How many bytes of the record's archive cannot be `0xff`: whatever the check lets through must be readable.
pub(crate) fn survives_damage<T: Record>(record: &T) -> usize {
    let buffer = seal::<T>(record.view());
    let refused = |i: usize| {
        let mut bytes = buffer.bytes().to_vec();
        bytes[i] = 0xff;
        match (Received { header: *buffer.header(), bytes }).validate::<T>() {
            Err(_) => true,
            Ok(buffer) => {
                for (view, _) in buffer.records::<T>(0) {
                    let _: String = format!("{view:?}");
                }
                false
            }
        }
    };
    (0..buffer.bytes().len()).filter(|i| refused(*i)).count()
}

fn seal<T: Record>(view: T::View<'_>) -> Buffer {
    let mut builder = BufferBuilder::<T>::new(Columns::default(), 1 << 20);
    builder.push(view, Timestamp::MIN, 0).expect("a small record fits");
    builder.seal(0)
}
