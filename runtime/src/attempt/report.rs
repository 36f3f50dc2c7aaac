//! What subtasks have acknowledged of a checkpoint, put together to what its manifest says.

use std::{collections::BTreeMap, future::Future};

use bytes::Bytes;
use futures::future::{join, join_all};
use millstream_state::manifest::{ChannelPart, KeyedPart, OperatorState, ValuePart};
use serde::{Serialize, Serializer, de::DeserializeOwned};

use crate::{
    checkpoint::{channels::ChannelUpload, subtask::OperatorReport},
    failure::Failure,
    graph::{JobGraph, VertexId},
};

/// What a subtask has of an operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) operator: String,
    pub(crate) keyed: Vec<KeyedPart>,
    pub(crate) values: Vec<ValuePart>,
}

/// What a subtask has of a checkpoint.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) operators: Vec<Part>,
    /// What its barrier has overtaken.
    pub(crate) channels: Vec<ChannelPart>,
}

impl Parts {
    /// How much of it is new, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.operators.iter().map(Part::bytes).sum::<u64>() + self.channel_bytes()
    }

    /// How much of it was overtaken, in bytes.
    pub(crate) fn channel_bytes(&self) -> u64 {
        self.channels.iter().map(|part| part.object.bytes).sum()
    }
}

impl Part {
    /// How much of it is new, in bytes.
    fn bytes(&self) -> u64 {
        let values: usize = self.values.iter().map(|part| part.bytes.len()).sum();
        // Of a chain of segments only the last is new.
        let keyed = self.keyed.iter().filter_map(|part| part.segments.last()).map(|segment| segment.bytes);
        values as u64 + keyed.sum::<u64>()
    }
}

/// Encodes what a subtask acknowledges, for the JobMaster.
pub(crate) fn encode_parts(Parts { operators, channels }: &Parts) -> Bytes {
    let parts = operators.iter().map(|part| (&part.operator, &part.keyed, values_out(&part.values)));
    postcard::to_stdvec(&(parts.collect::<Vec<_>>(), channels))
        .expect("parts are plain data: all of it can be written")
        .into()
}

/// Decodes what [`encode_parts`] has encoded.
///
/// # Errors
///
/// The bytes are something else.
pub(crate) fn decode_parts(bytes: &[u8]) -> Result<Parts, Failure> {
    type Encoded = (Vec<(String, Vec<KeyedPart>, Vec<(ValuePart, Bytes)>)>, Vec<ChannelPart>);
    let (parts, channels): Encoded = decoded(bytes)?;
    let part = |(operator, keyed, values)| Part { operator, keyed, values: values_in(values) };
    Ok(Parts { operators: parts.into_iter().map(part).collect(), channels })
}

/// Encodes what the writers of a job without checkpoints leave at its end, by vertex.
pub(crate) fn encode_output(output: &[(u32, Vec<ValuePart>)]) -> Bytes {
    let output: Vec<_> = output.iter().map(|(vertex, values)| (vertex, values_out(values))).collect();
    postcard::to_stdvec(&output).expect("parts are plain data: all of it can be written").into()
}

/// Decodes what [`encode_output`] has encoded.
///
/// # Errors
///
/// The bytes are something else.
pub(crate) fn decode_output(bytes: &[u8]) -> Result<Vec<(u32, Vec<ValuePart>)>, Failure> {
    let output: Vec<(u32, Vec<(ValuePart, Bytes)>)> = decoded(bytes)?;
    Ok(output.into_iter().map(|(vertex, values)| (vertex, values_in(values))).collect())
}

fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(Failure::new("what a subtask has reported cannot be read")),
    }
}

/// A value's bytes are no part of its text, so they stand beside it.
fn values_out(values: &[ValuePart]) -> Vec<(&ValuePart, Raw<'_>)> {
    values.iter().map(|part| (part, Raw(&part.bytes))).collect()
}

fn values_in(values: Vec<(ValuePart, Bytes)>) -> Vec<ValuePart> {
    values.into_iter().map(|(part, bytes)| ValuePart { bytes: bytes.into(), ..part }).collect()
}

/// Bytes that are written as such, and not one by one.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Waits until the rows of a snapshot are stored, and what its barrier has overtaken.
pub(crate) async fn stored(
    operators: Vec<(String, OperatorReport)>,
    channels: Option<ChannelUpload>,
) -> Result<Parts, Failure> {
    let operators = all(operators.into_iter().map(|(operator, report)| async move {
        let keyed = all(report.uploads).await?;
        Ok(Part { operator, keyed, values: report.values })
    }));
    let channels = async {
        match channels {
            Some(channels) => channels.await,
            None => Ok(Vec::new()),
        }
    };
    let (operators, channels) = join(operators, channels).await;
    Ok(Parts { operators: operators?, channels: channels? })
}

/// Waits for all of these, which go on side by side. Also if one fails: other uploads are part of the next checkpoint, or clear up behind themselves.
async fn all<T>(parts: impl IntoIterator<Item = impl Future<Output = Result<T, Failure>>>) -> Result<Vec<T>, Failure> {
    join_all(parts).await.into_iter().collect()
}

/// The number of subtasks of every operator of a job, by its id.
pub(crate) fn parallelism(graph: &JobGraph) -> BTreeMap<String, u32> {
    let of_vertex = |id: usize| {
        let parallelism = graph.parallelism(VertexId(id)) as u32;
        graph.vertices[id].operators.iter().map(move |operator| (operator.id_or_name(), parallelism))
    };
    (0..graph.vertices.len()).flat_map(of_vertex).collect()
}

/// The states of a job's operators, as they come in.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    operators: BTreeMap<String, OperatorState>,
    channels: Vec<ChannelPart>,
}

impl Gathered {
    /// Adds what a subtask has. `parallelism` as [`parallelism`] says.
    pub(crate) fn add(&mut self, parts: Vec<Part>, parallelism: &BTreeMap<String, u32>) {
        for Part { operator, keyed, values } in parts {
            let parallelism = parallelism.get(&operator).copied().unwrap_or(1);
            let state = self.operators.entry(operator.clone()).or_insert_with(|| OperatorState {
                id: operator,
                parallelism,
                keyed: Vec::new(),
                values: Vec::new(),
            });
            state.keyed.extend(keyed);
            state.values.extend(values);
        }
    }

    /// Adds what the barrier of a subtask has overtaken.
    pub(crate) fn add_channels(&mut self, channels: Vec<ChannelPart>) {
        self.channels.extend(channels);
    }

    /// What the manifest says, by operator; and of what was on its way.
    pub(crate) fn into_parts(self) -> (Vec<OperatorState>, Vec<ChannelPart>) {
        (self.operators.into_values().collect(), self.channels)
    }
}

#[cfg(test)]
mod tests {
    use millstream_state::{
        groups::GroupRange,
        manifest::{ChannelEnd, SegmentRef, Spread},
    };

    use super::*;

    #[test]
    fn parts_and_output_are_read_back_and_nothing_else_is() {
        let value = ValuePart {
            state: "s".to_owned(),
            subtask: 3,
            spread: Spread::Union,
            record: "u64".to_owned(),
            records: 2,
            schema: 9,
            bytes: vec![1, 2, 0xff],
        };
        let segments = vec![SegmentRef { name: "segments/1-a".to_owned(), bytes: 7, rows: 1, full: true }];
        let keyed = KeyedPart { state: "k".to_owned(), groups: GroupRange::owned_by(0, 1, 128), segments };
        let part = Part { operator: "sum".to_owned(), keyed: vec![keyed], values: vec![value.clone()] };
        let channel = ChannelPart {
            edge: "a -> b".to_owned(),
            kind: "hash".to_owned(),
            record: "u64".to_owned(),
            senders: 1,
            receivers: 2,
            end: ChannelEnd::Sender,
            subtask: 0,
            object: SegmentRef { name: "segments/1-b".to_owned(), bytes: 40, rows: 2, full: true },
        };
        let parts = Parts { operators: vec![part], channels: vec![channel] };
        assert_eq!((parts.bytes(), parts.channel_bytes()), (50, 40));
        let bytes = encode_parts(&parts);
        assert_eq!(decode_parts(&bytes), Ok(parts));
        assert!((0..bytes.len()).all(|length| decode_parts(&bytes[..length]).is_err()));
        let output = vec![(4, vec![value])];
        assert_eq!(decode_output(&encode_output(&output)), Ok(output));
    }
}
