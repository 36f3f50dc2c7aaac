//! Reads what there is to be seen, and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use millstream_core::time::Timestamp;

use super::{ChannelsSeen, CheckpointSeen, EntrySeen, Inspection, KeptAs, OperatorSeen, Seen, StateSeen};
use crate::{
    log::{Body, Entry},
    manifest::{ChannelPart, Manifest, OperatorState, SegmentRef, ValuePart},
    store::{CheckpointStore, StoreError},
};

/// How many objects are read at a time.
const READS_AT_A_TIME: usize = 16;

/// What is known of segments by their names: the schema of their rows, or what is wrong with them.
type Footers = BTreeMap<String, Result<String, String>>;

/// Looks at the checkpoints of a store; `now` is the time. It can be called while a job writes there: what the job deletes meanwhile may look damaged.
///
/// # Errors
///
/// Fails if the store does. Damage is part of what is seen.
pub async fn inspect(store: &CheckpointStore, now: Timestamp) -> Result<Inspection, StoreError> {
    let listing = store.list_log().await?;
    let run = listing.run();
    let read = |number: u64| async move { seen_or(number, store.entry(number).await) };
    let read: Vec<(u64, Result<Entry, String>)> =
        stream::iter(run.iter().copied()).map(read).buffered(READS_AT_A_TIME).try_collect().await?;

    let manifests = read.iter().filter_map(|(_, entry)| match &entry.as_ref().ok()?.body {
        Body::Checkpoint { manifest, .. } => Some(manifest),
        Body::Claim { .. } => None,
    });
    let segments: BTreeMap<String, SegmentRef> =
        manifests.flat_map(segments).map(|segment| (segment.name.clone(), segment.clone())).collect();
    let footers = segments.into_values().map(|segment| async move {
        let schema =
            store.footer(&segment).await.map(|footer| format!("{} -> {}", footer.key.short(), footer.value.short()));
        seen_or(segment.name, schema)
    });
    let mut footers: Footers = stream::iter(footers).buffer_unordered(READS_AT_A_TIME).try_collect().await?;
    let manifests = read.iter().filter_map(|(_, entry)| match &entry.as_ref().ok()?.body {
        Body::Checkpoint { manifest, .. } => Some(manifest),
        Body::Claim { .. } => None,
    });
    let channels: BTreeMap<&str, &ChannelPart> =
        manifests.flat_map(|manifest| &manifest.channels).map(|part| (part.object.name.as_str(), part)).collect();
    let channels = channels.into_values().map(|part| async move {
        let read = store.channels(&part.object).await.map(|_| part.record.clone());
        seen_or(part.object.name.clone(), read)
    });
    let channels: Footers = stream::iter(channels).buffer_unordered(READS_AT_A_TIME).try_collect().await?;
    footers.extend(channels);

    let job = read.iter().rev().find_map(|(_, entry)| Some(entry.as_ref().ok()?.body.job().to_owned()));
    let entries: Vec<EntrySeen> =
        read.into_iter().map(|(entry, read)| EntrySeen { entry, what: seen(read, &footers) }).collect();
    let checkpoints = || entries.iter().rev().filter_map(|entry| Some((entry.entry, entry.checkpoint()?)));
    let run_of_newest = checkpoints().next().map(|(_, checkpoint)| checkpoint.run);
    let usable = |(_, checkpoint): &(u64, &CheckpointSeen)| {
        checkpoint.problem.is_none() && Some(checkpoint.run) == run_of_newest
    };
    let newest = checkpoints().find(usable).map(|(entry, _)| entry);
    let left_over = run.first().map_or(Vec::new(), |first| listing.below(*first).to_vec());
    Ok(Inspection { job, run: run_of_newest, at: now.millis(), newest, entries, left_over })
}

impl EntrySeen {
    /// The checkpoint, if it is one.
    pub fn checkpoint(&self) -> Option<&CheckpointSeen> {
        match &self.what {
            Seen::Checkpoint(checkpoint) => Some(checkpoint),
            Seen::Claim { .. } | Seen::Damaged { .. } => None,
        }
    }
}

/// What was read, or what is wrong with it; an error only if the store does not answer.
fn seen_or<N, T>(name: N, read: Result<T, StoreError>) -> Result<(N, Result<T, String>), StoreError> {
    match read {
        Ok(read) => Ok((name, Ok(read))),
        Err(error @ StoreError::Objects { .. }) => Err(error),
        Err(error) => Ok((name, Err(error.to_string()))),
    }
}

fn segments(manifest: &Manifest) -> impl Iterator<Item = &SegmentRef> {
    manifest.operators.iter().flat_map(|operator| &operator.keyed).flat_map(|part| &part.segments)
}

fn seen(read: Result<Entry, String>, footers: &Footers) -> Seen {
    let manifest = match read {
        Err(problem) => return Seen::Damaged { problem },
        Ok(Entry { body: Body::Claim { at, .. }, .. }) => return Seen::Claim { at },
        Ok(Entry { body: Body::Checkpoint { manifest, .. }, .. }) => manifest,
    };
    let mut problems = manifest.objects().filter_map(|object| footers.get(&object.name)?.as_ref().err());
    let problem = problems.next().cloned();
    let sizes: BTreeMap<&str, u64> = manifest.objects().map(|object| (object.name.as_str(), object.bytes)).collect();
    let values = manifest.operators.iter().flat_map(|operator| &operator.values);
    Seen::Checkpoint(CheckpointSeen {
        checkpoint: manifest.checkpoint,
        run: manifest.run,
        kind: manifest.kind,
        at: manifest.at,
        bytes: sizes.values().sum::<u64>() + values.map(|part| part.bytes.len() as u64).sum::<u64>(),
        problem,
        operators: manifest.operators.iter().map(|operator| operator_seen(operator, footers)).collect(),
        channels: channels_seen(&manifest.channels),
    })
}

/// What was on its way, by edge.
fn channels_seen(parts: &[ChannelPart]) -> Vec<ChannelsSeen> {
    let mut edges = BTreeMap::<&str, ChannelsSeen>::new();
    for part in parts {
        let edge = edges.entry(&part.edge).or_insert_with(|| ChannelsSeen {
            edge: part.edge.clone(),
            kind: part.kind.clone(),
            senders: part.senders,
            receivers: part.receivers,
            records: 0,
            bytes: 0,
            schema: part.record.clone(),
        });
        edge.records += part.object.rows;
        edge.bytes += part.object.bytes;
    }
    edges.into_values().collect()
}

fn operator_seen(operator: &OperatorState, footers: &Footers) -> OperatorSeen {
    let mut states = Vec::new();
    let keyed: BTreeSet<&str> = operator.keyed.iter().map(|part| part.state.as_str()).collect();
    for state in keyed {
        let parts = operator.keyed.iter().filter(|part| part.state == state);
        // After the job was rescaled, several subtasks may share a segment.
        let segments: BTreeMap<&str, &SegmentRef> =
            parts.flat_map(|part| &part.segments).map(|segment| (segment.name.as_str(), segment)).collect();
        states.push(StateSeen {
            state: state.to_owned(),
            kept: KeptAs::Keyed,
            rows: segments.values().map(|segment| segment.rows).sum(),
            bytes: segments.values().map(|segment| segment.bytes).sum(),
            schema: segments.keys().find_map(|name| footers.get(*name)?.as_ref().ok().cloned()),
            segments: segments.into_keys().map(str::to_owned).collect(),
        });
    }
    let mut values: BTreeMap<&str, Vec<&ValuePart>> = BTreeMap::new();
    for part in &operator.values {
        values.entry(&part.state).or_default().push(part);
    }
    states.extend(values.into_iter().map(|(state, parts)| StateSeen {
        state: state.to_owned(),
        kept: parts[0].spread.into(),
        rows: parts.iter().map(|part| u64::from(part.records)).sum(),
        bytes: parts.iter().map(|part| part.bytes.len() as u64).sum(),
        segments: Vec::new(),
        schema: Some(parts[0].schema_name().short()),
    }));
    OperatorSeen { id: operator.id.clone(), parallelism: operator.parallelism, states }
}
