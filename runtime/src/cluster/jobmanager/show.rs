//! What a leader shows of itself and its jobs.

use std::collections::BTreeMap;

use super::lead::{Lead, Over};
use crate::{
    control::{ConnectionId, JobId, TaskIndex, job::machine::JobMaster},
    metrics::{Metric, MetricId},
    rest::{
        dispatcher::Refused,
        prometheus::{Sample, Value, of_job},
        views::{
            Checkpoints, ClusterOverview, Exceptions, JobDetail, JobState, JobSummary, Jobs, Now, Subtask,
            SubtaskMetrics, SubtaskState, TaskManagerInfo, TaskManagers, Vertex,
        },
    },
};

impl Lead {
    fn now(&self) -> Now {
        Now { instant: self.envs.control.now(), wall: self.envs.control.wall() }
    }

    pub(super) fn overview(&self) -> ClusterOverview {
        let (slots, free) = self.machine.slots();
        let mut jobs = BTreeMap::new();
        for summary in self.summaries() {
            *jobs.entry(summary.state).or_default() += 1;
        }
        ClusterOverview {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            leader_epoch: self.epoch.get(),
            uptime_ms: self.envs.control.now().since(self.began).as_millis() as u64,
            taskmanagers: self.machine.taskmanagers() as u32,
            slots_total: slots as u32,
            slots_free: free as u32,
            jobs,
        }
    }

    pub(super) fn all_jobs(&self) -> Jobs {
        Jobs { jobs: self.summaries() }
    }

    /// The oldest first.
    fn summaries(&self) -> Vec<JobSummary> {
        let over = self.over.iter().map(|over| self.over_summary(over));
        let running = self.machine.jobs().iter().filter_map(|(id, master)| self.summary(*id, master));
        let mut all: Vec<_> = over.chain(running).collect();
        all.sort_by(|a, b| (a.started_at_ms, &a.id).cmp(&(b.started_at_ms, &b.id)));
        all
    }

    fn over_summary(&self, over: &Over) -> JobSummary {
        let Over { id, record, result, exceptions, .. } = over;
        JobSummary {
            id: id.to_string(),
            name: record.name.clone(),
            state: result.state.state().into(),
            started_at_ms: record.submitted_at,
            duration_ms: result.ended_at.saturating_sub(record.submitted_at).try_into().unwrap_or(0),
            restarts: exceptions.as_ref().map_or(0, |exceptions| exceptions.restarts),
            parallelism: 0,
            subtasks: 0,
            subtasks_running: 0,
        }
    }

    fn summary(&self, id: JobId, master: &JobMaster) -> Option<JobSummary> {
        let record = &self.running.get(&id)?.record;
        let (now, topology) = (self.envs.control.wall().millis(), master.topology());
        let running = |task: &usize| SubtaskState::from(master.executions().get(TaskIndex(*task)).state);
        let running = (0..topology.tasks()).filter(|task| running(task) == SubtaskState::Running).count();
        Some(JobSummary {
            id: id.to_string(),
            name: record.name.clone(),
            state: master.state().into(),
            started_at_ms: record.submitted_at,
            duration_ms: now.saturating_sub(record.submitted_at).try_into().unwrap_or(0),
            restarts: master.exceptions().restarts,
            parallelism: topology.vertices().iter().map(|vertex| vertex.parallelism).max().unwrap_or(0),
            subtasks: topology.tasks() as u32,
            subtasks_running: running as u32,
        })
    }

    /// What the subtasks of a job count, by the name of their vertex and their number.
    fn measured(&self, id: JobId) -> BTreeMap<(String, u32), BTreeMap<String, u64>> {
        let mut measured = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (_, registry) in self.metrics.range((id, ConnectionId(0))..=(id, ConnectionId(u64::MAX))) {
            for (MetricId { operator, subtask, name }, metric) in registry.snapshot() {
                if let Metric::Counter(counter) = metric {
                    measured.entry((operator, subtask as u32)).or_default().insert(name, counter.get());
                }
            }
        }
        measured
    }

    fn find_over(&self, id: JobId) -> Result<&Over, Refused> {
        self.over.iter().find(|over| over.id == id).ok_or_else(|| Refused::no_job(id))
    }

    pub(super) fn job(&self, id: JobId) -> Result<JobDetail, Refused> {
        let live = self.machine.jobs().get(&id).zip(self.running.get(&id));
        let Some((master, job)) = live else {
            let over = self.find_over(id)?;
            let failure = over
                .exceptions
                .as_ref()
                .and_then(|exceptions| self.exceptions_of(exceptions).exceptions.into_iter().next());
            let status = over.result.failure.as_ref().map(ToString::to_string);
            let summary = self.over_summary(over);
            return Ok(JobDetail { summary, status, failure, restored_checkpoint: None, vertices: Vec::new() });
        };
        let topology = master.topology();
        let measured = self.measured(id);
        let vertices = topology.vertices().iter().zip(&job.facts.shown).zip(0..).map(|((info, shown), number)| {
            let tasks = topology.tasks_of(crate::control::Vertex(number));
            let subtask = |(index, task)| {
                let execution = master.executions().get(TaskIndex(task));
                let deployed = execution.deployed;
                Subtask {
                    index,
                    state: execution.state.into(),
                    attempt: deployed.map(|(attempt, _)| attempt.to_string()),
                    taskmanager: deployed.map(|(_, slot)| slot.taskmanager.to_string()),
                    slot: deployed.map(|(_, slot)| slot.slot.0),
                    metrics: measured
                        .get(&(info.name.clone(), index))
                        .map(|counters| SubtaskMetrics::of(|name| counters.get(name).copied().unwrap_or(0))),
                }
            };
            Vertex {
                id: number,
                name: info.name.clone(),
                parallelism: info.parallelism,
                max_parallelism: shown.max_parallelism,
                source: info.connected == 0,
                operators: shown.operators.clone(),
                subtasks: (0..).zip(tasks).map(subtask).collect(),
            }
        });
        let summary = self.summary(id, master).ok_or_else(|| Refused::no_job(id))?;
        let failure = self.exceptions_of(master.exceptions()).exceptions.into_iter().next();
        let status = self.machine.slot_status(id).map(|status| status.to_string());
        Ok(JobDetail { vertices: vertices.collect(), summary, status, failure, restored_checkpoint: job.restored })
    }

    fn exceptions_of(&self, exceptions: &crate::control::job::failure::Exceptions) -> Exceptions {
        Exceptions::of(exceptions, self.now())
    }

    pub(super) fn exceptions(&self, id: JobId) -> Result<Exceptions, Refused> {
        match self.machine.jobs().get(&id) {
            Some(master) => Ok(self.exceptions_of(master.exceptions())),
            None => {
                let over = self.find_over(id)?;
                Ok(over.exceptions.as_ref().map_or_else(
                    || Exceptions { count: 0, exceptions: Vec::new() },
                    |exceptions| self.exceptions_of(exceptions),
                ))
            }
        }
    }

    pub(super) fn checkpoints(&self, id: JobId) -> Result<Checkpoints, Refused> {
        let history = match self.machine.jobs().get(&id) {
            Some(master) => master.history().clone(),
            None => self.find_over(id)?.checkpoints.clone(),
        };
        Ok(Checkpoints::of(&history, self.now()))
    }

    pub(super) fn all_taskmanagers(&self) -> TaskManagers {
        let now = self.now();
        let shown = self.machine.members().map(|member| TaskManagerInfo {
            id: member.id.to_string(),
            address: member.endpoint.to_string(),
            slots: member.slots,
            slots_free: member.free,
            since_ms: now.epoch_ms(member.since),
            heartbeat_age_ms: now.instant.since(member.heard).as_millis() as u64,
        });
        TaskManagers { taskmanagers: shown.collect() }
    }

    /// What there is to measure of the cluster and its jobs.
    pub(super) fn metrics(&self) -> Vec<Sample> {
        let overview = self.overview();
        let gauge = |name: &str, help, value: u64| Sample {
            name: name.to_owned(),
            help: Some(help),
            labels: Vec::new(),
            value: Value::Gauge(value.try_into().unwrap_or(i64::MAX)),
        };
        let mut samples = vec![
            gauge("leader_epoch", "The number of the leader's claim", overview.leader_epoch),
            gauge("taskmanagers", "TaskManagers that are registered", overview.taskmanagers.into()),
            gauge("slots", "Slots that there are", overview.slots_total.into()),
            gauge("slots_free", "Slots that nobody has", overview.slots_free.into()),
        ];
        let mut of_tasks = Vec::new();
        for (id, master) in self.machine.jobs() {
            let Some(summary) = self.summary(*id, master) else { continue };
            let labels = vec![("job", summary.name.clone()), ("job_id", summary.id.clone())];
            let mut add = |name: &str, help, value| {
                samples.push(Sample { name: name.to_owned(), help: Some(help), labels: labels.clone(), value });
            };
            let history = master.history();
            add(
                "job_running",
                "1 while all its subtasks run",
                Value::Gauge((summary.state == JobState::Running).into()),
            );
            add("job_restarts", "How often it, or a part of it, was started again", Value::Counter(summary.restarts));
            add("job_subtasks_running", "Subtasks that run", Value::Gauge(summary.subtasks_running.into()));
            add("job_checkpoints_completed", "Checkpoints that were completed", Value::Counter(history.completed));
            add("job_checkpoints_failed", "Checkpoints that failed", Value::Counter(history.failed));
            for (_, registry) in self.metrics.range((*id, ConnectionId(0))..=(*id, ConnectionId(u64::MAX))) {
                of_tasks.extend(of_job(&summary.id, &summary.name, &registry.snapshot()));
            }
            if let Some(last) = history.last_completed() {
                let took = last.duration(self.envs.control.now()).as_secs_f64();
                add("job_checkpoint_seconds", "How long the last complete checkpoint took", Value::Ratio(took));
                add(
                    "job_checkpoint_bytes",
                    "What was written for it",
                    Value::Gauge(last.bytes().try_into().unwrap_or(0)),
                );
            }
        }
        samples.append(&mut of_tasks);
        samples
    }
}
