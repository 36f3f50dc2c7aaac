//! Runs a chain on buffers at hand, without tasks and exchanges: what benches measure the overhead of chains with. Not a public interface.

use std::sync::{Arc, PoisonError};

use futures::executor::block_on;
use millstream_core::buffer::Buffer;

use crate::{
    env::Env,
    failure::{Failure, Location},
    graph::{OperatorInfo, SinkDriver as _, VertexId, chaining::Place},
    metrics::{Registry, TaskMetrics},
    operator::Signal,
    operators::sink::{Driver, SinkTail},
    settings::Settings,
    sink::Sink,
    stream::{Chain, Plan, Stream},
    task::{
        clock::StepClock,
        context::{ChainContext, TaskInfo},
        flag::Flag,
        head::{BatchCursor, Head, Progress, TaskContext},
    },
};

/// A function that runs the chain from the stream's last exchange to the sink over buffers of the chain's input, on the calling thread and to its end.
///
/// # Errors
///
/// The function gives the failure of an operator or the sink.
///
/// # Panics
///
/// The function panics if the chain begins with a source rather than behind an exchange, or if the buffers hold records of another type.
#[track_caller]
pub fn drive<St, S>(stream: St, sink: S, env: Arc<dyn Env>) -> impl Fn(&[Buffer]) -> Result<(), Failure> + use<St, S>
where
    St: Stream,
    S: Sink<In = St::Out>,
{
    let Chain { plan, mut draft } = stream.into_chain();
    let index = draft.operator(OperatorInfo::new("sink", &sink.name(), Location::caller()));
    let operators = draft.operators().to_vec();
    let sink = Arc::new(sink);
    let task = TaskInfo {
        job: "bench".into(),
        subtask: 0,
        parallelism: 1,
        max_parallelism: 128,
        run: env.random(),
        vertex: VertexId(0),
        attempt: 0,
        settings: Settings::default(),
        registry: Registry::default(),
        env,
    };
    move |buffers| {
        let mut cx = ChainContext {
            task: &task,
            operators: &operators,
            chained: &[],
            place: Place::default(),
            outputs: Vec::new(),
            metrics: TaskMetrics::default(),
            splits: None,
            committables: Arc::default(),
            drain: Flag::default(),
            clock: StepClock::new(task.env.wall()),
            member: None,
            wants_ticks: false,
            preaggregation_bytes: task.settings.preaggregation_bytes(),
            spill: None,
            state_bytes: None,
            state_file_bytes: None,
            waits_to_write: false,
            restored: None,
            checkpoints: None,
            store: None,
        };
        let (handed_over, sink_cx) = (Arc::clone(&cx.committables), cx.connector_context(&operators[index]));
        let tail = SinkTail::open(&sink, &mut cx, index)?;
        // Boxed as a task has it, so that nothing is known here of what it calls.
        let mut head: Box<dyn Head> = Box::new(plan.chain(&mut cx, tail)?);
        let now = TaskContext { wall: task.env.wall(), barrier_waits: false };
        for buffer in buffers {
            let mut cursor = BatchCursor::new(buffer, 0..buffer.len());
            loop {
                match head.poll(&now, &mut cursor)? {
                    Progress::Consumed | Progress::InFlight => break,
                    Progress::Waiting => block_on(head.wait())?,
                    _ => block_on(head.ready())?,
                }
            }
        }
        head.signal(Signal::End);
        block_on(head.finish())?;
        let what = std::mem::take(&mut *handed_over.lock().unwrap_or_else(PoisonError::into_inner));
        block_on(Driver(Arc::clone(&sink)).committer(&sink_cx)?.commit_parts(what, true))
    }
}
