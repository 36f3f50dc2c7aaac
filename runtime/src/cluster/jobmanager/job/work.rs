//! [`Core`]: what work on a job needs, and the work itself, one piece after the other.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use millstream_state::{
    manifest::{CheckpointKind, Manifest},
    store::Access,
};
use tracing::{info, warn};

use super::Hosted;
use crate::{
    attempt::{
        check,
        deploy::Connectors,
        edges,
        report::decode_output,
        sinks::{From, GoneBack, JobSink, abort_all, commit_all, job_sinks, recover_all},
        store::JobStore,
    },
    checkpoint::restored::Restored,
    cluster::{
        attendance::Attendance,
        spec::{JobSpec, SharedGraph, StartInfo, StoreInfo, locked},
    },
    control::{
        Vertex,
        job::machine::{Recovery, Restored as Found},
        message::TaskRef,
    },
    env::Env,
    failure::Failure,
    graph::VertexId,
    metrics::Registry,
    task::contain::contain,
};

/// What work on a job needs, one piece of work after the other.
pub(super) struct Core {
    pub(super) env: Arc<dyn Env>,
    pub(super) graph: SharedGraph,
    /// Its name.
    pub(super) name: String,
    pub(super) attendance: Option<Attendance>,
    pub(super) registry: Registry,
    /// Opened when it is first needed: that claims it.
    pub(super) store: Option<Arc<JobStore>>,
    /// Tells the run of a job without checkpoints from all others.
    pub(super) run: u64,
    /// The newest attempt, as sources and sinks know it.
    pub(super) attempt: u64,
    pub(super) sinks: Vec<JobSink>,
}

impl Core {
    fn connectors(&self) -> Connectors<'_> {
        let run = self.store.as_ref().map_or(self.run, |store| store.output_run());
        Connectors { env: &self.env, registry: &self.registry, run, attempt: self.attempt }
    }

    /// Finds the newest checkpoint, and lets the sinks and the sources of these vertices begin with it.
    pub(super) async fn recover(
        &mut self,
        rejected: Option<String>,
        spec: JobSpec,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<(Recovery, Vec<Hosted>), Failure> {
        let checkpoints = {
            let graph = locked(&self.graph);
            graph.has_checkpoints().then(|| graph.settings.checkpoints.clone())
        };
        if let (None, Some(settings)) = (&self.store, &checkpoints) {
            let access = if self.attendance.is_some() { Access::Alone } else { Access::Shared };
            let opened = JobStore::open(&self.name, settings, access, &self.env);
            self.store = Some(Arc::new(opened.await.map_err(Failure::of_environment)?));
        }
        let restored = match &self.store {
            Some(store) => {
                if let Some(reason) = rejected {
                    store.reject(&reason).await;
                }
                store.recover(&self.env).await.map_err(Failure::of_environment)?
            }
            None => None,
        };
        let is_final = restored.as_ref().is_some_and(|manifest| manifest.kind == CheckpointKind::Final);
        if let Some(manifest) = restored.as_ref().filter(|manifest| manifest.kind != CheckpointKind::Final) {
            let dropped = check::known_operators(&locked(&self.graph), manifest)?;
            edges::check(&locked(&self.graph), manifest)?;
            let savepoint = self.store.as_ref().and_then(|store| store.restored_savepoint());
            match savepoint {
                Some(savepoint) => {
                    let job = &self.name;
                    info!(job, %savepoint, checkpoint = manifest.checkpoint, "the job begins with a savepoint");
                }
                None => info!(job = self.name, checkpoint = manifest.checkpoint, "the job goes on from a checkpoint"),
            }
            if !dropped.is_empty() {
                warn!(job = self.name, operators = ?dropped, "state is dropped of operators that the job does not have");
            }
        }
        self.attempt = self.env.random();
        self.begin_sinks(restored.as_ref(), is_final, vertices).await?;
        let pools = if is_final { Vec::new() } else { self.begin_sources(restored.as_ref(), vertices)? };
        let store = self.store.as_ref();
        let info = StartInfo {
            spec,
            run: self.connectors().run,
            attempt: self.attempt,
            checkpoints: store.map(|store| StoreInfo {
                location: store.segments().location().clone(),
                object_store: store.object_store().clone(),
                claim: store.segments().claim(),
                entry: store.entry(),
                from: store.restored_savepoint(),
                wants_full: store.segments().wants_full(),
            }),
        };
        let payload = postcard::to_stdvec(&info).expect("it is plain data: all of it can be written").into();
        let found = restored.map(|manifest| Found { checkpoint: manifest.checkpoint, kind: manifest.kind });
        let next_checkpoint = store.map_or(1, |store| store.next_checkpoint());
        Ok((Recovery { restored: found, next_checkpoint, payload }, pools))
    }

    /// Makes the committers of these vertices, which clear up what was there before.
    async fn begin_sinks(
        &mut self,
        restored: Option<&Arc<Manifest>>,
        is_final: bool,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<(), Failure> {
        let is_one = |sink: &JobSink| vertices.contains(&Vertex(sink.vertex.0 as u32));
        let mut over: Vec<JobSink> = self.sinks.extract_if(.., |sink| is_one(sink)).collect();
        if self.store.is_none() {
            abort_all(&mut over).await;
        }
        drop(over);
        let (mut made, exactly_once) = {
            let graph = locked(&self.graph);
            (job_sinks(&graph, &self.connectors())?, graph.exactly_once)
        };
        made.retain(is_one);
        let (graph, env, registry) = (Arc::clone(&self.graph), Arc::clone(&self.env), self.registry.clone());
        let (store, Connectors { run, attempt, .. }) = (self.store.clone(), self.connectors());
        let begin = async {
            if !is_final {
                let connectors = Connectors { env: &env, registry: &registry, run, attempt };
                check::connectors(&graph, &connectors).await?;
            }
            let Some(store) = store else { return Ok(()) };
            let of = |id: &str| Restored::of(restored, id);
            let to = restored.map_or(0, |manifest| manifest.checkpoint);
            let rewinds = locked(&graph).settings.checkpoints.rewind;
            let begins = store.restored_savepoint().is_some();
            let gone_back =
                (store.has_gone_back() || begins && rewinds).then_some(GoneBack { to, may_repeat: !exactly_once });
            let begun_with = (begins && !rewinds).then_some(to);
            recover_all(&mut made, of, From { last: is_final, gone_back, begun_with }, &*env).await
        };
        let begun = begin.await;
        // Also if that has failed: what a check has made is taken back when the job ends.
        self.sinks.append(&mut made);
        begun
    }

    /// Makes the pools of the sources among these vertices.
    fn begin_sources(
        &self,
        restored: Option<&Arc<Manifest>>,
        vertices: &BTreeSet<Vertex>,
    ) -> Result<Vec<Hosted>, Failure> {
        let (mut pools, graph) = (Vec::new(), locked(&self.graph));
        for vertex in vertices {
            let id = VertexId(vertex.0 as usize);
            let of = &graph.vertices[id.0];
            let (Some(source), Some(info)) = (&of.source, of.operators.first()) else { continue };
            let cx = self.connectors().context(&graph, id, Some(info));
            let restored = Restored::of(restored, &info.id_or_name());
            let record_bytes = graph.settings.max_record_size;
            let start = || match &self.attendance {
                Some(Attendance { drain, splits, .. }) => {
                    let started = source.start(&cx, drain.clone(), &restored)?;
                    splits.lock().unwrap_or_else(PoisonError::into_inner).insert(id.0, started.handle);
                    Ok((None, started.discovery))
                }
                None => {
                    let hosted = source.host(&cx, info, record_bytes, &restored)?;
                    Ok((Some(hosted.pool), hosted.discovery))
                }
            };
            let (pool, discovery) = contain(start)
                .and_then(|started| started)
                .map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
            pools.push(Hosted::new(*vertex, pool, discovery, (info.to_string(), info.location)));
        }
        Ok(pools)
    }

    pub(super) async fn commit_output(&mut self, outputs: &[(TaskRef, Bytes)]) -> Result<(), Failure> {
        for (_, output) in outputs.iter().filter(|(_, output)| !output.is_empty()) {
            for (vertex, parts) in decode_output(output)? {
                if let Some(sink) = self.sinks.iter().find(|sink| sink.vertex.0 == vertex as usize) {
                    sink.committables.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
                }
            }
        }
        commit_all(&self.name, &mut self.sinks).await
    }
}
