//! What barriers have overtaken between tasks, on its way to checkpoints and back.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::channel::oneshot;
use millstream_core::{
    buffer::{BufferBuilder, Received},
    record::Record,
};
use millstream_state::{
    channels::{ChannelBatch, ChannelsWriter},
    manifest::{ChannelEnd, ChannelPart, SegmentRef},
};

use crate::{
    attempt::segments::Segments,
    env::{BoxFuture, Env, blocking},
    exchange::{
        gate::{Port, Validate},
        in_flight::{ChannelId, InFlight, Overtaken, Recorded},
        partition::{Partition, Route},
    },
    failure::Failure,
};

/// What is known of an edge of the job graph wherever it is deployed, to find again what was on its way over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EdgeName {
    /// The chains at its ends, by name.
    pub(crate) edge: String,
    /// How its records are spread.
    pub(crate) kind: String,
    /// Their type.
    pub(crate) record: String,
    /// How many subtasks send.
    pub(crate) senders: u32,
    /// How many subtasks receive.
    pub(crate) receivers: u32,
}

/// Records on their way to the store; gives what the manifest has to say of them.
pub(crate) type ChannelUpload = BoxFuture<'static, Result<Vec<ChannelPart>, Failure>>;

/// Stores what barriers overtake at a subtask.
#[derive(Clone)]
pub(crate) struct ChannelKeeper {
    pub(crate) segments: Arc<Segments>,
    pub(crate) env: Arc<dyn Env>,
    /// By the numbers of the edges in the graph.
    pub(crate) edges: Arc<[EdgeName]>,
    /// The number of the subtask in its chain.
    pub(crate) subtask: usize,
    /// What was overtaken on its way to other processes.
    pub(crate) overtaken: Overtaken,
}

impl ChannelKeeper {
    /// What the barrier that has just passed has overtaken: on its way to others, and `recorded` on its way to this subtask. `None` if it has overtaken nothing.
    pub(crate) fn keep(&self, ports: &[Port], recorded: Option<oneshot::Receiver<Recorded>>) -> Option<ChannelUpload> {
        let sent = self.overtaken.take();
        if sent.is_empty() && recorded.is_none() {
            return None;
        }
        let (keeper, ids): (_, Vec<_>) = (self.clone(), ports.iter().map(|port| port.id).collect());
        Some(Box::pin(async move {
            let mut parts = Vec::new();
            if let Some(recorded) = recorded {
                let recorded = recorded.await.map_err(|_| Failure::new("the checkpoint was given up"))??;
                let recorded = recorded.into_iter().map(|(channel, batch)| (ids[channel], batch));
                keeper.store(ChannelEnd::Receiver, recorded.collect(), &mut parts).await?;
            }
            keeper.store(ChannelEnd::Sender, sent, &mut parts).await?;
            Ok(parts)
        }))
    }

    /// Writes an object for each edge.
    async fn store(
        &self,
        end: ChannelEnd,
        batches: Vec<(ChannelId, InFlight)>,
        parts: &mut Vec<ChannelPart>,
    ) -> Result<(), Failure> {
        let mut edges = BTreeMap::<usize, Vec<(ChannelId, InFlight)>>::new();
        for (channel, batch) in batches {
            edges.entry(channel.edge).or_default().push((channel, batch));
        }
        for (edge, batches) in edges {
            let EdgeName { edge, kind, record, senders, receivers } = self.edges[edge].clone();
            let object = self.write(batches).await?;
            parts.push(ChannelPart {
                edge,
                kind,
                record,
                senders,
                receivers,
                end,
                subtask: self.subtask as u32,
                object,
            });
        }
        Ok(())
    }

    async fn write(&self, batches: Vec<(ChannelId, InFlight)>) -> Result<SegmentRef, Failure> {
        let encoded = blocking(&*self.env, move || {
            let (mut out, mut rows) = (Vec::new(), 0);
            let mut writer = ChannelsWriter::new(&mut out);
            for (ChannelId { sender, receiver, .. }, batch) in &batches {
                let (skip, buffer, watermarks) = batch.parts();
                writer.push((*sender as u32, *receiver as u32), skip as u32, buffer, watermarks, &mut out);
                rows += batch.records();
            }
            writer.finish(&mut out);
            (out, rows)
        });
        let (out, rows) = encoded.await;
        let mut upload = self.segments.upload();
        let name = upload.name().to_owned();
        if let Err(error) = upload.push(Bytes::from(out)).await {
            let _ = upload.abort().await; // what stays is swept
            return Err(self.segments.failure(error));
        }
        let bytes = upload.finish().await.map_err(|error| self.segments.failure(error))?;
        Ok(SegmentRef { name, bytes, rows, full: true })
    }
}

/// Chooses anew which of the receivers that there are now gets each record of a batch: gives what this one gets, if anything. To be given all batches of an edge, in one
/// order, by each receiver.
pub(crate) type Rerouting = Box<dyn FnMut(Received, usize) -> Result<Option<Received>, Failure> + Send>;

/// Makes a [`Rerouting`] for a receiver by its number, how many there are, and how many key groups.
pub(crate) type Reroute = Arc<dyn Fn(usize, usize, u32) -> Rerouting + Send + Sync>;

/// How the records of an edge are given to other numbers of receivers, by port; nothing if they cannot be.
#[derive(Clone, Default)]
pub(crate) struct Reroutes(pub(crate) Vec<(u8, Reroute)>);

impl fmt::Debug for Reroutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(port, _)| port)).finish()
    }
}

/// Chooses receivers as a partition does. Where that is by chance or in turn, all receivers come to the same, if each looks at all records in one order.
pub(crate) fn reroute<T: Record, P: Partition<T>>(partition: Arc<Mutex<P>>) -> Reroute {
    Arc::new(move |receiver, targets, max_parallelism| {
        let partition = partition.lock().unwrap_or_else(PoisonError::into_inner);
        rerouting::<T, P::Route>(partition.route(0, targets, max_parallelism, 1), receiver)
    })
}

/// Gives a receiver what a route sends to it.
fn rerouting<T: Record, R: Route<T>>(mut route: R, receiver: usize) -> Rerouting {
    Box::new(move |received, skip| {
        let columns = received.header.columns;
        let buffer = received.validate::<T>().map_err(Failure::from_error)?;
        // Each is as large as it was, so none is too large.
        let mut builder = BufferBuilder::<T>::new(columns, usize::MAX);
        let records = buffer.records::<T>(skip);
        for i in skip..records.len() {
            let (target, hash) = route.route(records.get(i));
            if target == receiver {
                builder.push(records.get(i), records.time(i), hash).map_err(|error| Failure::new(error.to_string()))?;
            }
        }
        if builder.is_empty() {
            return Ok(None);
        }
        let own = builder.seal(buffer.port());
        Ok(Some(Received { header: *own.header(), bytes: own.bytes().to_vec() }))
    })
}

/// What was on its way to a subtask at the checkpoint that the job goes on from.
pub(crate) struct Replay {
    pub(crate) segments: Arc<Segments>,
    /// By edge, with its number in the graph.
    pub(crate) edges: Vec<ReplayedEdge>,
    /// The number of the subtask in its chain.
    pub(crate) subtask: usize,
}

/// What was on its way over one edge.
pub(crate) struct ReplayedEdge {
    pub(crate) number: usize,
    /// As it is now.
    pub(crate) name: EdgeName,
    /// What has to be read, in the order in which it was sent.
    pub(crate) parts: Vec<ChannelPart>,
    /// Chooses receivers anew, by port, if there are others now.
    pub(crate) reroutings: Option<Vec<(u8, Rerouting)>>,
}

impl Replay {
    /// Reads it, for these channels: batches by the number of the channel, each in order.
    ///
    /// Where the subtasks at both ends are as many as they were, watermarks come with the records. Otherwise channels that were several become one, on which the watermark of
    /// one would make records of another late: then they are left out, and event time goes on with what is sent anew.
    ///
    /// # Errors
    ///
    /// What the store says, and what the records are that were on their way if they are others now.
    pub(crate) async fn read(self, ports: &[Port]) -> Result<Vec<(usize, ChannelBatch)>, Failure> {
        let Self { segments, edges, subtask } = self;
        let mut batches = Vec::new();
        for ReplayedEdge { number, name, parts, mut reroutings } in edges {
            for part in parts {
                let read = segments.restored_from().channels(&part.object).await;
                let read = read.map_err(|error| match error.is_damage() {
                    true => segments.reject(error),
                    false => segments.failure(error),
                })?;
                let is_same = (part.senders, part.receivers) == (name.senders, name.receivers);
                for mut batch in read {
                    if !is_same {
                        batch.watermarks.clear();
                    }
                    if let Some(reroutings) = &mut reroutings {
                        let port = batch.received.header.port;
                        let rerouting = reroutings.iter_mut().find(|(of, _)| *of == port);
                        let (_, rerouting) = rerouting.ok_or_else(|| other_records(&part))?;
                        let own = rerouting(batch.received, batch.skip as usize).map_err(|_| other_records(&part))?;
                        let Some(received) = own else { continue };
                        (batch.received, batch.skip) = (received, 0);
                    } else if batch.receiver as usize != subtask {
                        continue;
                    }
                    let sender = batch.sender as usize % (name.senders as usize).max(1);
                    let is_it = |port: &Port| port.id.edge == number && port.id.sender == sender;
                    let channel = ports.iter().position(is_it).ok_or_else(|| other_records(&part))?;
                    if !reads(&ports[channel], batch.received.header.port, &batch.received) {
                        return Err(other_records(&part));
                    }
                    batches.push((channel, batch));
                }
            }
        }
        Ok(batches)
    }
}

/// True if a channel leads to where such records are read.
fn reads(port: &Port, number: u8, received: &Received) -> bool {
    let reads: [Option<(u8, Validate)>; 2] = [Some((port.number, port.validate)), port.beside];
    let copy = Received { header: received.header, bytes: received.bytes.clone() };
    reads.into_iter().flatten().find(|(of, _)| *of == number).is_some_and(|(_, validate)| validate(copy).is_ok())
}

fn other_records(part: &ChannelPart) -> Failure {
    Failure::new(format!(
        "the checkpoint has records of type {} that were on their way over `{}`, which this version of the job does not read there",
        part.record, part.edge
    ))
    .with_hint(CHANGED_HINT)
}

/// How a job is changed that has records on their way.
pub(crate) const CHANGED_HINT: &str = "go on with the version of the job that made the checkpoint, let it make a savepoint, which has no records on their way, and begin the new \
     version with that; or begin anew with `--fresh`";
