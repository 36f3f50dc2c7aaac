//! Joins in windows that wait for late records put out what Flink's rules say, whatever the parallelism, and through crashes.

use std::{collections::BTreeMap, path::Path, time::Duration};

use millstream::{
    connectors::Collect,
    env::Env,
    graph::JobGraph,
    joins::JoinWindows,
    prelude::*,
    settings::Settings,
    windows::{Assigner, WindowsOn},
};
use millstream_testkit::rng::Rng;

use crate::{
    checkpoints::{settings, simulate},
    script::{Script, Step},
    support::{ms, parallel, run, seeds, sorted},
    windows::{Event, EventView, event},
};

/// What happens next, on both sides together: one at a time, so that there is one order of it all.
#[derive(Clone)]
pub(crate) enum Happens {
    Left(Event),
    Right(Event),
    Watermark(i64),
}

/// How far apart in time they happen.
const APART: Duration = Duration::from_millis(100);

/// Records far out of order, and few watermarks: some windows get records before they fire, some when they have, some when they are over.
fn happens(rng: &mut Rng) -> Vec<Happens> {
    let mut watermark = 0;
    let step = |i: i64| {
        let at = i * 40 - rng.below(3_500) as i64;
        match rng.below(8) {
            0 => {
                watermark = watermark.max(i * 40 - rng.below(1_500) as i64);
                Happens::Watermark(watermark)
            }
            1..=4 => Happens::Left(event(1 + rng.below(3), i as u64, at)),
            _ => Happens::Right(event(1 + rng.below(3), i as u64, at)),
        }
    };
    (0..160).map(step).collect()
}

/// What one side sees of it; records with key 0 are watermarks.
fn side(happens: &[Happens], is_left: bool) -> Script<Event> {
    let mut steps = Vec::new();
    for happens in happens {
        steps.push(Step::Wait(APART));
        steps.extend(match happens {
            Happens::Left(event) if is_left => Some(Step::Record(event.clone())),
            Happens::Right(event) if !is_left => Some(Step::Record(event.clone())),
            Happens::Watermark(at) => Some(Step::Record(event(0, 0, *at))),
            _ => None,
        });
    }
    // The end comes for both at once, too.
    steps.push(Step::Wait(APART));
    Script::steps(vec![steps])
}

fn sides(happens: &[Happens]) -> [Script<Event>; 2] {
    [side(happens, true), side(happens, false)]
}

/// The end of a window, and the records of both sides in what is put out of it.
pub(crate) type Row = (i64, Vec<u64>, Vec<u64>);

/// The same with something that makes it large.
pub(crate) type Padded = (Row, Vec<u64>);

pub(crate) fn rows(results: &Collect<Padded>) -> Vec<Row> {
    results.take().into_iter().map(|(row, _)| row).collect()
}

/// What is open of a key.
#[derive(Clone, Debug)]
struct Pane {
    key: u64,
    window: Window,
    lefts: Vec<u64>,
    rights: Vec<u64>,
}

/// What all joins have in common: what is open, what has been put out, and how many records of each side were late.
struct Model<'k> {
    kind: &'k str,
    lateness: i64,
    watermark: i64,
    open: Vec<Pane>,
    rows: Vec<Row>,
    late: [u64; 2],
}

impl<'k> Model<'k> {
    fn new(kind: &'k str, lateness: i64) -> Self {
        Self { kind, lateness, watermark: i64::MIN, open: Vec::new(), rows: Vec::new(), late: [0; 2] }
    }

    fn is_over(&self, window: Window) -> bool {
        window.max_timestamp().millis().saturating_add(self.lateness) <= self.watermark
    }

    /// Adds a record to what is open, as far as it goes there: `merges` says whether windows of a key that touch are one.
    fn add(&mut self, event: &Event, is_left: bool, windows: &[Window], merges: bool) {
        let mut is_taken = false;
        for window in windows {
            let mut pane = Pane { key: event.key, window: *window, lefts: Vec::new(), rights: Vec::new() };
            let (key, window) = (event.key, *window);
            let touches = |open: &Pane| {
                let touch = open.window.start <= window.end && window.start <= open.window.end;
                open.key == key && if merges { touch } else { open.window == window }
            };
            let own: Vec<_> = self.open.extract_if(.., |open| touches(open)).collect();
            for open in own {
                pane.window =
                    Window::new(pane.window.start.min(open.window.start), pane.window.end.max(open.window.end));
                pane.lefts.extend(open.lefts);
                pane.rights.extend(open.rights);
            }
            if self.is_over(pane.window) {
                continue;
            }
            is_taken = true;
            if is_left {
                pane.lefts.push(event.value)
            } else {
                pane.rights.push(event.value)
            }
            if pane.window.max_timestamp().millis() <= self.watermark {
                self.fire(&pane);
            }
            self.open.push(pane);
        }
        if !is_taken && (merges || event.at.millis().saturating_add(self.lateness) <= self.watermark) {
            self.late[usize::from(!is_left)] += 1;
        }
    }

    fn pass(&mut self, watermark: i64) {
        let before = self.watermark;
        self.watermark = before.max(watermark);
        for pane in self.open.clone() {
            let last = pane.window.max_timestamp().millis();
            if before < last && last <= self.watermark {
                self.fire(&pane);
            }
        }
        let (watermark, lateness) = (self.watermark, self.lateness);
        self.open.retain(|pane| pane.window.max_timestamp().millis().saturating_add(lateness) > watermark);
    }

    fn fire(&mut self, Pane { window, lefts, rights, .. }: &Pane) {
        let end = window.end.millis();
        match self.kind {
            "co_group" => self.rows.push((end, sorted(lefts.clone()), sorted(rights.clone()))),
            "anti" if rights.is_empty() => self.rows.extend(lefts.iter().map(|left| (end, vec![*left], vec![]))),
            "full" if rights.is_empty() => self.rows.extend(lefts.iter().map(|left| (end, vec![*left], vec![]))),
            "full" if lefts.is_empty() => self.rows.extend(rights.iter().map(|right| (end, vec![], vec![*right]))),
            "inner" | "full" => {
                let pairs = lefts.iter().flat_map(|left| rights.iter().map(move |right| (*left, *right)));
                self.rows.extend(pairs.map(|(left, right)| (end, vec![left], vec![right])));
            }
            _ => {}
        }
    }
}

/// What the rules say: rows, and late records of both sides.
pub(crate) fn expected(
    happens: &[Happens],
    kind: &str,
    lateness: i64,
    merges: bool,
    windows: impl Fn(i64) -> Vec<Window>,
) -> (Vec<Row>, [u64; 2]) {
    let mut model = Model::new(kind, lateness);
    for happens in happens {
        match happens {
            Happens::Left(event) => model.add(event, true, &windows(event.at.millis()), merges),
            Happens::Right(event) => model.add(event, false, &windows(event.at.millis()), merges),
            Happens::Watermark(at) => model.pass(*at),
        }
    }
    model.pass(i64::MAX);
    (sorted(model.rows), model.late)
}

#[key]
pub(crate) fn number(event: EventView<'_>) -> u64 {
    event.key
}

fn punctuation(event: EventView<'_>, at: Timestamp) -> Option<Timestamp> {
    (event.key == 0).then_some(at)
}

/// Puts records out with the ends of their windows.
#[derive(Clone)]
struct WindowEnd;

#[process]
impl WindowEnd {
    fn on_record(
        &mut self,
        (lefts, rights): (millstream::VecView<'_, u64>, millstream::VecView<'_, u64>),
        cx: &mut Context<'_, Row>,
    ) {
        let values = |list: millstream::VecView<'_, u64>| sorted(list.iter().collect::<Vec<_>>());
        let (lefts, rights) = (values(lefts), values(rights));
        cx.emit((cx.timestamp().millis() + 1, lefts.view(), rights.view()));
    }
}

fn one(event: Option<EventView<'_>>) -> Vec<u64> {
    event.map(|event| event.value).into_iter().collect()
}

/// Joins a left and a right side.
pub(crate) fn joined<W, G>(
    job: &mut Job<G>,
    [left, right]: [Script<Event>; 2],
    kind: &str,
    windows: W,
    lateness: i64,
    results: &Collect<Padded>,
) where
    W: JoinWindows<Event, Event, number, number> + WindowsOn<EventTime>,
    G: millstream::stream::Guarantee,
    Script<Event>: millstream::stream::SuitsGuarantee<G>,
{
    let [left, right] = [(left, "left"), (right, "right")].map(|(script, uid)| {
        let source = job.source(script).uid(uid);
        source.event_time(punctuated(punctuation)).parallelism(1).filter(|event| event.key > 0).sealed()
    });
    let joined = left.key_with(number).join(right.key_with(number)).window(windows);
    let joined = joined.allowed_lateness(Duration::from_millis(lateness as u64));
    let rows = match kind {
        "inner" => joined.inner(|left, right| (one(Some(left)), one(Some(right)))).uid("join").sealed(),
        "full" => joined.full(|left, right| (one(left), one(right))).uid("join").sealed(),
        "anti" => joined.anti().uid("join").map(|left| (vec![left.value], Vec::<u64>::new())).sealed(),
        _ => joined
            .co_group(|_, _, lefts, rights| {
                let values = |events: Vec<u64>| events;
                let lefts = values(lefts.iter().map(|event| event.value).collect());
                Some((lefts, values(rights.iter().map(|event| event.value).collect())))
            })
            .uid("join")
            .sealed(),
    };
    // Large, and not in the chain of the join: so its output is full now and then, and it takes a while until all have gone.
    let padded = rows.process(WindowEnd).map(|row| (<Row as Record>::from_view(row), vec![0_u64; 100]));
    padded.global().sink(results.sink());
}

/// Joins in windows of every kind, with several allowances.
macro_rules! each_kind {
    ($check:ident, $rng:expr, $seed:expr) => {
        for lateness in [0, 800, 2_500] {
            for kind in ["full", "anti", "co_group"] {
                let size = 1_000_u64;
                $check($seed, $rng, kind, tumbling(Duration::from_millis(size)), lateness, false, apart);
                let windows = sliding(Duration::from_millis(1_500), Duration::from_millis(500));
                $check($seed, $rng, kind, windows, lateness, false, overlapping);
                $check($seed, $rng, kind, session(Duration::from_millis(150)), lateness, true, alone);
            }
        }
    };
}

fn windows_of(windows: &impl Assigner, at: i64) -> Vec<Window> {
    let mut all = Vec::new();
    windows.each_window(ms(at), |window| all.push(window));
    all
}

pub(crate) fn apart(at: i64) -> Vec<Window> {
    windows_of(&tumbling(Duration::from_millis(1_000)), at)
}

pub(crate) fn overlapping(at: i64) -> Vec<Window> {
    windows_of(&sliding(Duration::from_millis(1_500), Duration::from_millis(500)), at)
}

pub(crate) fn alone(at: i64) -> Vec<Window> {
    vec![Window::new(ms(at), ms(at + 150))]
}

/// How often something of a window comes out.
pub(crate) fn firings(rows: &[Row]) -> BTreeMap<i64, u64> {
    rows.iter().fold(BTreeMap::new(), |mut counts, (end, ..)| {
        *counts.entry(*end).or_default() += 1;
        counts
    })
}

fn check<W>(
    seed: u64,
    rng: &mut Rng,
    kind: &str,
    windows: W,
    lateness: i64,
    merges: bool,
    of: impl Fn(i64) -> Vec<Window>,
) where
    W: JoinWindows<Event, Event, number, number> + WindowsOn<EventTime>,
{
    let given = happens(rng);
    let (expected, late) = expected(&given, kind, lateness, merges, of);
    let small = Settings { buffer_bytes: 1 << 10, ..parallel(1 + rng.index(3)) };
    let what = format!("seed {seed}, {kind}, {lateness} ms late, merging: {merges}, x{}", small.parallelism);
    let results = collect();
    let job = run(seed, small, |job| joined(job, sides(&given), kind, windows, lateness, &results));
    let found = sorted(rows(&results));
    assert_eq!(firings(&found), firings(&expected), "{what}");
    assert_eq!(found, expected, "{what}");
    assert_eq!([job.counted("late_left_records"), job.counted("late_right_records")], late, "{what}");
}

#[test]
fn late_records_are_joined_while_their_windows_are_kept() {
    for seed in seeds().take(16) {
        let rng = &mut Rng::new(seed ^ 0x1a7e);
        each_kind!(check, rng, seed);
    }
}

/// Runs a job in three worlds: the first one ends with a stop, the second with a crash some time behind a checkpoint.
fn check_lives<W>(
    seed: u64,
    rng: &mut Rng,
    kind: &str,
    windows: W,
    lateness: i64,
    merges: bool,
    of: impl Fn(i64) -> Vec<Window>,
) where
    W: JoinWindows<Event, Event, number, number> + WindowsOn<EventTime>,
{
    let given = happens(rng);
    let (expected, _) = expected(&given, kind, lateness, merges, of);
    let dir = tempfile::tempdir().expect("there is room");
    let results = collect();
    let graph = |dir: &Path, parallelism: usize| -> JobGraph {
        let mut job = Job::<ExactlyOnce>::new("late", settings(dir, parallelism, Duration::from_secs(3600)));
        joined(&mut job, sides(&given), kind, windows.clone(), lateness, &results);
        job.build().expect("the job is well formed")
    };
    // In the middle of a wait, so that both sides go on with the same.
    let mut middle = || APART * (20 + rng.below(35) as u32) + APART / 2;
    let lives = [(1, Some(middle())), (3, Some(middle())), (2, None)];
    for (life, (parallelism, until)) in lives.into_iter().enumerate() {
        simulate(seed * 10 + life as u64, graph(dir.path(), parallelism), async |sim, job| {
            let Some(until) = until else {
                job.wait().await.expect("it ends well");
                return;
            };
            sim.sleep(until).await;
            if life == 0 {
                job.stop().await.expect("nothing is in its way");
                job.wait().await.expect("it ends well");
            } else {
                job.checkpoint().await.expect("nothing is in its way");
                sim.sleep(APART * 7).await;
            }
        });
    }
    let found = sorted(rows(&results));
    let what = format!("seed {seed}, {kind}, {lateness} ms late, merging: {merges}, {lives:?}");
    assert_eq!(firings(&found), firings(&expected), "{what}");
    assert_eq!(found, expected, "{what}");
}

#[test]
fn windows_that_are_kept_go_on_from_a_checkpoint_at_another_parallelism() {
    for seed in seeds().take(8) {
        let rng = &mut Rng::new(seed ^ 0xc4a5);
        each_kind!(check_lives, rng, seed);
    }
}
