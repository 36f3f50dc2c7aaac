//! Lists of records as they stand in a manifest.

use millstream_core::{
    buffer::{BufferBuilder, Columns, Header, Received},
    dynamic::{StoredSchema, Values},
    record::Record,
    time::Timestamp,
};
use millstream_state::{
    manifest::{Spread, ValuePart},
    schema::{Fit, SchemaName},
};

use crate::failure::Failure;

/// How many bytes in front of the archives say how long they are without their roots.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Encodes the values that a subtask has of a state.
pub(crate) fn encode<T: Record>(
    state: &str,
    subtask: usize,
    spread: Spread,
    values: &[T],
    max_record_size: usize,
) -> Result<ValuePart, Failure> {
    encode_views::<T>(state, subtask, spread, values.iter().map(T::view), max_record_size)
}

/// As [`encode`], of their views.
pub(crate) fn encode_views<'a, T: Record>(
    state: &str,
    subtask: usize,
    spread: Spread,
    values: impl Iterator<Item = T::View<'a>>,
    max_record_size: usize,
) -> Result<ValuePart, Failure> {
    let (records, bytes) = write_views::<T>(values, max_record_size)
        .map_err(|reason| Failure::new(format!("state `{state}` cannot be made part of a checkpoint: {reason}")))?;
    let schema = SchemaName::of::<T>();
    Ok(ValuePart {
        state: state.to_owned(),
        subtask: subtask as u32,
        spread,
        record: schema.text,
        records,
        schema: schema.hash,
        bytes,
    })
}

/// Writes records one behind the other: how many there are, and `length of the archives (4, little endian) | archives and roots`. Fails if one is larger than
/// the bound, and says so.
pub(crate) fn write<T: Record>(values: &[T], max_record_size: usize) -> Result<(u32, Vec<u8>), String> {
    write_views::<T>(values.iter().map(T::view), max_record_size)
}

fn write_views<'a, T: Record>(
    values: impl Iterator<Item = T::View<'a>>,
    max_record_size: usize,
) -> Result<(u32, Vec<u8>), String> {
    let mut builder = BufferBuilder::<T>::new(Columns::default(), max_record_size);
    for value in values {
        builder.push(value, Timestamp::MIN, 0).map_err(|error| error.to_string())?;
    }
    let buffer = builder.seal(0);
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + buffer.size());
    bytes.extend(buffer.header().data_bytes.to_le_bytes());
    bytes.extend(buffer.bytes());
    Ok((buffer.header().records, bytes))
}

/// Decodes what [`encode`] has encoded, of this type or of one that it is made from.
pub(crate) fn decode<T: Record>(part: &ValuePart) -> Result<Vec<T>, Failure> {
    let damaged = |what| Failure::new(format!("the checkpoint's values of state `{}` are damaged: {what}", part.state));
    match part.schema_name().fit::<T>() {
        Ok(Fit::Same) => read(part.records, &part.bytes).map_err(damaged),
        Ok(Fit::Migrates(schema)) => migrate(part, &schema).map_err(damaged),
        Err(unfit) => Err(Failure::new(format!(
            "state `{}` is of type {} in the checkpoint and of type {} in this version of the job: {unfit}",
            part.state,
            part.schema_name().short(),
            T::SCHEMA
        ))
        .with_hint("give the type a version that is made from the stored one, give the state another name, or begin anew with `--fresh`")),
    }
}

/// Makes values of those of an earlier version.
fn migrate<T: Record>(part: &ValuePart, schema: &StoredSchema) -> Result<Vec<T>, String> {
    let Some((_, bytes)) = part.bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err("they have no length".into());
    };
    let values = Values::new(schema, part.records, Columns::default(), bytes).map_err(|damaged| damaged.to_string())?;
    let made = values.map(|value| {
        let value = T::from_value(value.map_err(|damaged| damaged.to_string())?);
        value.ok_or_else(|| "two keys of a map are the same in the new version of its type".to_owned())
    });
    made.collect()
}

/// Reads what [`write`] has written of this type, or says what is wrong with it.
pub(crate) fn read<T: Record>(records: u32, bytes: &[u8]) -> Result<Vec<T>, String> {
    let Some((length, bytes)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err("they have no length".into());
    };
    let data_bytes = u32::from_le_bytes(*length);
    let header = Header { records, data_bytes, columns: Columns::default(), port: 0, schema: T::HASH };
    let buffer = Received { header, bytes: bytes.to_vec() }.validate::<T>().map_err(|invalid| invalid.to_string())?;
    Ok(buffer.records::<T>(0).map(|(value, _)| T::from_view(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for values in [vec![], vec![(1_u64, String::from("one")), (2, String::new())]] {
            let part = encode("names", 3, Spread::List, &values, 1 << 20).expect("they are small");
            assert_eq!((part.subtask, part.records), (3, values.len() as u32));
            assert_eq!(decode::<(u64, String)>(&part).expect("nothing happened to them"), values);
        }
    }

    #[test]
    fn values_of_another_type_and_damaged_ones_are_refused() {
        let part = encode("names", 0, Spread::List, &[(1_u64, String::from("one"))], 1 << 20).expect("it is small");
        let failure = decode::<u64>(&part).expect_err("another type");
        assert!(
            failure.to_string().contains("state `names` is of type (u64, String) in the checkpoint and of type u64"),
            "{failure}"
        );
        for length in 0..part.bytes.len() {
            let cut = ValuePart { bytes: part.bytes[..length].to_vec(), ..part.clone() };
            decode::<(u64, String)>(&cut).expect_err("bytes are missing");
        }
    }
}
