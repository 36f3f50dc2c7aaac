//! What a subtask and a hosted pool of splits say to each other, as bytes: `schema (8) | values::write of one record`, all little endian.
//!
//! Both ends run the same job, so a message has no version; but its record type has a hash, and bytes that are none of it are refused.

use bytes::Bytes;
use millstream_core::record::Record;

use super::pool::Known;
use crate::{checkpoint::values, failure::Failure};

/// More than an ask takes.
const ASK_BYTES_LIMIT: usize = 1 << 10;
/// How many bytes name the record type.
const SCHEMA_BYTES: usize = size_of::<u64>();

/// What a subtask says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// It wants a split. Otherwise it only wants to hear when what it knows is no longer so.
    pub(super) wants: bool,
    /// How many splits it has begun, all in all.
    pub(super) begun: u64,
    /// What it knows of the pool.
    pub(super) known: Known,
}

/// What a pool answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer<T> {
    pub(super) given: Given<T>,
    /// The state of the pool.
    pub(super) known: Known,
}

/// What a subtask gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// Nothing yet.
    Nothing,
    /// A split, and its number.
    Split(u64, T),
    /// No split will come any more.
    End,
}

type AskRecord = (bool, u64, (bool, bool));
type AnswerRecord<T> = (bool, Option<(u64, T)>, (bool, bool));

impl Ask {
    pub(super) fn encode(self) -> Result<Bytes, Failure> {
        let record: AskRecord = (self.wants, self.begun, (self.known.holds, self.known.discovered));
        pack(&record, ASK_BYTES_LIMIT)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let (wants, begun, (holds, discovered)) =
            unpack::<AskRecord>(bytes, "what a subtask asks of its pool of splits")?;
        Ok(Self { wants, begun, known: Known { holds, discovered } })
    }
}

impl<T: Record> Answer<T> {
    pub(super) fn encode(self, max_record_size: usize) -> Result<Bytes, Failure> {
        let ends = matches!(self.given, Given::End);
        let split = if let Given::Split(id, split) = self.given { Some((id, split)) } else { None };
        let record: AnswerRecord<T> = (ends, split, (self.known.holds, self.known.discovered));
        pack(&record, max_record_size.saturating_add(ASK_BYTES_LIMIT))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        const WHAT: &str = "what a pool of splits answers";
        let (ends, split, (holds, discovered)) = unpack::<AnswerRecord<T>>(bytes, WHAT)?;
        let given = match (split, ends) {
            (None, false) => Given::Nothing,
            (Some((id, split)), false) => Given::Split(id, split),
            (None, true) => Given::End,
            (Some(_), true) => return Err(damaged(WHAT, "it has a split and says that there are none".into())),
        };
        Ok(Self { given, known: Known { holds, discovered } })
    }
}

fn pack<T: Record>(record: &T, max_record_size: usize) -> Result<Bytes, Failure> {
    let (_, values) = values::write(std::slice::from_ref(record), max_record_size)
        .map_err(|reason| Failure::new(format!("a split cannot be sent to another process: {reason}")))?;
    let mut bytes = Vec::with_capacity(SCHEMA_BYTES + values.len());
    bytes.extend(T::HASH.to_le_bytes());
    bytes.extend(values);
    Ok(bytes.into())
}

fn unpack<T: Record>(bytes: &[u8], what: &str) -> Result<T, Failure> {
    let Some((schema, values)) = bytes.split_first_chunk::<SCHEMA_BYTES>() else {
        return Err(damaged(what, "it is too short".into()));
    };
    if *schema != T::HASH.to_le_bytes() {
        let failure = Failure::new(format!(
            "{what} is not of type {}: the other process has another version of the job",
            T::SCHEMA
        ));
        return Err(failure.with_hint("start all processes of the cluster with the same build of the job"));
    }
    let mut records = values::read::<T>(1, values).map_err(|reason| damaged(what, reason))?;
    records.pop().ok_or_else(|| damaged(what, "it is empty".into()))
}

fn damaged(what: &str, reason: String) -> Failure {
    Failure::new(format!("{what} has been damaged on its way from another process: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Split = (String, u64);

    const KNOWN: Known = Known { holds: true, discovered: false };

    fn answers() -> [Answer<Split>; 4] {
        let given = [
            Given::Nothing,
            Given::Split(7, ("a longer name than fits into a string in line".to_owned(), 9)),
            Given::Split(0, (String::new(), 0)),
            Given::End,
        ];
        given.map(|given| Answer { given, known: KNOWN })
    }

    #[test]
    fn messages_come_back_as_they_were() {
        for (wants, begun) in [(true, 0), (false, u64::MAX)] {
            let ask = Ask { wants, begun, known: KNOWN };
            assert_eq!(Ask::decode(&ask.encode().expect("it is small")).expect("nothing happened to it"), ask);
        }
        for answer in answers() {
            let bytes = answer.clone().encode(1 << 10).expect("it is small");
            assert_eq!(Answer::<Split>::decode(&bytes).expect("nothing happened to it"), answer);
        }
    }

    #[test]
    fn messages_that_are_cut_off_or_too_long_are_refused() {
        let ask = Ask { wants: true, begun: 3, known: KNOWN }.encode().expect("it is small");
        for length in 0..ask.len() {
            Ask::decode(&ask[..length]).expect_err("bytes are missing");
        }
        Ask::decode(&[&ask[..], &[0]].concat()).expect_err("a byte is too many");
        for answer in answers() {
            let bytes = answer.encode(1 << 10).expect("it is small");
            for length in 0..bytes.len() {
                Answer::<Split>::decode(&bytes[..length]).expect_err("bytes are missing");
            }
            Answer::<Split>::decode(&[&bytes[..], &[0]].concat()).expect_err("a byte is too many");
        }
    }

    #[test]
    fn messages_of_another_type_and_what_contradicts_itself_are_refused() {
        let [_, split, ..] = answers();
        let bytes = split.encode(1 << 10).expect("it is small");
        let failure = Answer::<u64>::decode(&bytes).expect_err("another type of splits");
        assert!(failure.to_string().contains("the same build"), "{failure}");
        let both: AnswerRecord<u64> = (true, Some((1, 2)), (false, true));
        Answer::<u64>::decode(&pack(&both, 1 << 10).expect("it is small")).expect_err("a split and the end");
    }

    #[test]
    fn a_split_that_is_too_large_is_refused_by_its_sender() {
        let answer = Answer { given: Given::Split(1, ("x".repeat(5_000), 1)), known: KNOWN };
        answer.encode(1 << 10).expect_err("it is larger than a record may be");
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_message_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            (at, flipped) in (any::<prop::sample::Index>(), 1..=u8::MAX),
            which in 0..4_usize,
        ) {
            prop_assert!(Ask::decode(&bytes).is_err());
            // With the hash of the right type in front, everything is up to the validation.
            let typed = [&AnswerRecord::<Split>::HASH.to_le_bytes()[..], &bytes].concat();
            let _ = Answer::<Split>::decode(&typed);
            let typed = [&AskRecord::HASH.to_le_bytes()[..], &bytes].concat();
            let _ = Ask::decode(&typed);
            let mut bytes = answers()[which].clone().encode(1 << 10).expect("it is small").to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flipped;
            let _ = Answer::<Split>::decode(&bytes);
        }
    }
}
