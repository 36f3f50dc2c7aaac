//! Joins give what nested loops over all records give, whatever the parallelism, the splits, the watermark interval and the memory.

use std::{collections::BTreeMap, time::Duration};

use millstream::{
    joins::{Bound, JoinWindows},
    prelude::*,
    process::EitherView,
    settings::Settings,
    windows::WindowsOn,
};
use millstream_testkit::rng::Rng;

use crate::{
    script::{Script, Step},
    support::{Simulated, fails, graph, ms, parallel, run, seeds, sorted},
    windows::{Event, EventView, event},
};

#[derive(Record, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    of: String,
    text: String,
    #[record(event_time)]
    at: Timestamp,
}

fn note(of: u64, text: u64, at: i64) -> Note {
    Note { of: of.to_string(), text: format!("note {text}"), at: ms(at) }
}

#[key]
fn of(note: NoteView<'_>) -> u64 {
    note.of.parse().expect("notes are of numbers")
}

#[key]
fn number(event: EventView<'_>) -> u64 {
    event.key
}

/// How far records are out of order, in milliseconds.
const DISORDER_MS: u64 = 2_000;

/// The records of both sides, in splits.
#[derive(Clone)]
struct Given {
    events: Vec<Vec<Event>>,
    notes: Vec<Vec<Note>>,
}

impl Given {
    /// So many records of each side; some keys are only on one side, and key 0 has very many.
    fn drawn(rng: &mut Rng, records: usize) -> Self {
        let mut given = Self { events: vec![Vec::new(); 1 + rng.index(3)], notes: vec![Vec::new(); 1 + rng.index(3)] };
        let key = |rng: &mut Rng, from: u64| if rng.below(4) == 0 { 0 } else { from + rng.below(40) };
        for i in 0..records {
            let at = |rng: &mut Rng| i as i64 * 30 - 3_000 + rng.below(DISORDER_MS) as i64;
            let (split, record) = (rng.index(given.events.len()), event(key(rng, 0), i as u64, at(rng)));
            given.events[split].push(record);
            let (split, record) = (rng.index(given.notes.len()), note(key(rng, 20), i as u64, at(rng)));
            given.notes[split].push(record);
        }
        given
    }

    fn events(&self) -> Vec<&Event> {
        self.events.iter().flatten().collect()
    }

    fn notes(&self) -> Vec<&Note> {
        self.notes.iter().flatten().collect()
    }

    fn streams(
        self,
        job: &mut Job,
    ) -> (impl Stream<Out = Event, Time = EventTime> + use<>, impl Stream<Out = Note, Time = EventTime> + use<>) {
        let disorder = Duration::from_millis(DISORDER_MS);
        let events = job.source(Script::records(self.events)).event_time(out_of_order(disorder));
        (events, job.source(Script::records(self.notes)).event_time(out_of_order(disorder)))
    }
}

/// Settings that must not be seen in a result.
fn drawn(rng: &mut Rng) -> Settings {
    Settings {
        parallelism: 1 + rng.index(3),
        watermark_interval: Duration::from_micros([1, 300, 5_000, 200_000][rng.index(4)]),
        buffer_bytes: [1 << 10, 32 << 10][rng.index(2)],
        memory_bytes: [1 << 20, 256 << 20][rng.index(2)],
        ..Settings::default()
    }
}

/// Value and text of a pair; what is missing has none.
type Pair = (Option<u64>, Option<String>);

fn pair(event: Option<EventView<'_>>, note: Option<NoteView<'_>>) -> Pair {
    (event.map(|event| event.value), note.map(|note| note.text.to_owned()))
}

fn matches(event: &Event, note: &Note) -> bool {
    event.key.to_string() == note.of
}

#[test]
fn records_are_joined_as_they_come() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let given = Given::drawn(rng, 200);
        let (mut pairs, mut with_note) = (Vec::new(), Vec::new());
        for event in given.events() {
            for note in given.notes().into_iter().filter(|note| matches(event, note)) {
                pairs.push((event.value, note.text.clone(), event.at.max(note.at).millis()));
            }
            with_note.extend(given.notes().iter().any(|note| matches(event, note)).then_some(event.clone()));
        }
        let (inner, semi) = (collect(), collect());
        let settings = drawn(rng);
        let what = format!("seed {seed}, {settings:?}");
        run(seed, settings, |job| {
            let (events, notes) = given.streams(job);
            let ((a, b), (c, d)) = (events.fork(), notes.fork());
            a.key_by(|event| event.key)
                .join(c.key_with(of))
                .inner(|event, note| (event.value, note.text.to_owned()))
                .process(TellTime)
                .map(|((value, text), at)| (value, text.to_owned(), at))
                .sink(inner.sink());
            b.key_by(|event| event.key)
                .join(d.key_with(of))
                .semi()
                .map(|event| Event::from_view(event))
                .sink(semi.sink());
        });
        assert_eq!(sorted(inner.take()), sorted(pairs), "{what}");
        assert_eq!(sorted(semi.take()), sorted(with_note), "{what}");
    }
}

/// Puts out records with their times.
#[derive(Clone)]
struct TellTime;

#[process]
impl TellTime {
    fn on_record(&mut self, (value, text): (u64, &str), cx: &mut Context<'_, ((u64, String), i64)>) {
        cx.emit(((value, text), cx.timestamp().millis()));
    }
}

/// The pairs of each window by its end. `ends` are those of the windows of a key and a time.
fn in_windows(given: &Given, ends: impl Fn(&Given, u64, i64) -> Vec<i64>, kind: &str) -> Vec<(Pair, i64)> {
    let (mut lefts, mut rights) = (BTreeMap::<_, Vec<&Event>>::new(), BTreeMap::<_, Vec<&Note>>::new());
    for event in given.events() {
        let ends = ends(given, event.key, event.at.millis());
        ends.into_iter().for_each(|end| lefts.entry((end, event.key)).or_default().push(event));
    }
    for note in given.notes() {
        let key: u64 = note.of.parse().expect("notes are of numbers");
        let ends = ends(given, key, note.at.millis());
        ends.into_iter().for_each(|end| rights.entry((end, key)).or_default().push(note));
    }
    let keys: std::collections::BTreeSet<_> = lefts.keys().chain(rights.keys()).copied().collect();
    let mut pairs = Vec::new();
    for (at, key) in keys {
        let (lefts, rights) = (lefts.get(&(at, key)), rights.get(&(at, key)));
        let (lefts, rights) = (lefts.map_or(&[][..], |all| all), rights.map_or(&[][..], |all| all));
        let mut put = |event: Option<&&Event>, note: Option<&&Note>| {
            let pair = (event.map(|event| event.value), note.map(|note| note.text.clone()));
            pairs.push((pair, at));
        };
        for event in lefts {
            match kind {
                "semi" if !rights.is_empty() => put(Some(event), None),
                "anti" if rights.is_empty() => put(Some(event), None),
                "inner" | "left" | "right" | "full" => rights.iter().for_each(|note| put(Some(event), Some(note))),
                _ => {}
            }
        }
        if rights.is_empty() && matches!(kind, "left" | "full") {
            lefts.iter().for_each(|event| put(Some(event), None));
        }
        if lefts.is_empty() && matches!(kind, "right" | "full") {
            rights.iter().for_each(|note| put(None, Some(note)));
        }
    }
    sorted(pairs)
}

/// Joins in windows, in every way: the results with the times at which their windows end.
fn all_kinds<W>(seed: u64, rng: &mut Rng, windows: W, ends: impl Fn(&Given, u64, i64) -> Vec<i64>)
where
    W: JoinWindows<Event, Note, number, of> + WindowsOn<EventTime>,
{
    for kind in ["inner", "left", "right", "full", "semi", "anti"] {
        let given = Given::drawn(rng, 150);
        let expected = in_windows(&given, &ends, kind);
        let settings = drawn(rng);
        let what = format!("{kind}, seed {seed}, {settings:?}");
        let results = collect();
        let windows = windows.clone();
        let job = run(seed, settings, |job| {
            let (events, notes) = given.streams(job);
            let joined = events.key_with(number).join(notes.key_with(of)).window(windows);
            let pairs = match kind {
                "inner" => joined.inner(|event, note| pair(Some(event), Some(note))).sealed(),
                "left" => joined.left(|event, note| pair(Some(event), note)).sealed(),
                "right" => joined.right(|event, note| pair(event, Some(note))).sealed(),
                "full" => joined.full(pair).sealed(),
                "semi" => joined.semi().map(|event| pair(Some(event), None)).sealed(),
                _ => joined.anti().map(|event| pair(Some(event), None)).sealed(),
            };
            pairs.process(WindowEnd).map(|((a, b), at)| ((a, b.map(str::to_owned)), at)).sink(results.sink());
        });
        let found = results.take().into_iter().map(|(pair, last)| (pair, last + 1)).collect();
        assert_eq!(sorted(found), expected, "{what}");
        assert_eq!(job.counted("late_left_records") + job.counted("late_right_records"), 0, "{what}");
    }
}

/// Puts out pairs with their times.
#[derive(Clone)]
struct WindowEnd;

#[process]
impl WindowEnd {
    fn on_record(
        &mut self,
        (value, text): (Option<u64>, Option<&str>),
        cx: &mut Context<'_, ((Option<u64>, Option<String>), i64)>,
    ) {
        cx.emit(((value, text), cx.timestamp().millis()));
    }
}

#[test]
fn tumbling_windows_are_joined_in_every_way() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let size = [700, 3_000][rng.index(2)];
        let windows = tumbling(Duration::from_millis(size as u64));
        all_kinds(seed, rng, windows, |_, _, at| vec![at - at.rem_euclid(size) + size]);
    }
}

#[test]
fn a_record_is_joined_in_each_of_its_windows() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed ^ 0x51de);
        let (size, slide) = [(3_000, 1_000), (1_000, 2_500), (2_500, 1_000)][rng.index(3)];
        let windows =
            millstream::windows::sliding(Duration::from_millis(size as u64), Duration::from_millis(slide as u64));
        all_kinds(seed, rng, windows, |_, _, at| {
            let last = at - at.rem_euclid(slide);
            (0..).map(|n| last - n * slide + size).take_while(|end| *end > at).collect()
        });
    }
}

/// The end of the session that the records of both sides make around a time, with the gaps that they ask for.
fn session_end(given: &Given, key: u64, at: i64, gaps: (i64, i64)) -> Vec<i64> {
    let events = given.events().into_iter().filter(|event| event.key == key).map(|event| (event.at.millis(), gaps.0));
    let notes = given.notes().into_iter().filter(|note| note.of == key.to_string());
    let all = sorted(events.chain(notes.map(|note| (note.at.millis(), gaps.1))).collect());
    let mut end = i64::MIN;
    for (start, gap) in all {
        if start > end && end >= at {
            break; // the next session, behind that of this time
        }
        end = end.max(start + gap);
    }
    vec![end]
}

#[test]
fn sessions_of_both_sides_are_joined_in_every_way() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed ^ 0x5e55);
        let gap = [100, 400, 2_500][rng.index(3)];
        all_kinds(seed, rng, session(Duration::from_millis(gap as u64)), |given, key, at| {
            session_end(given, key, at, (gap, gap))
        });
        // Notes keep a session open for longer.
        let by_record = session_with(|record: EitherView<'_, Event, Note>| match record {
            EitherView::Left(_) => 150.milliseconds(),
            EitherView::Right(_) => 450.milliseconds(),
        });
        all_kinds(seed, rng, by_record, |given, key, at| session_end(given, key, at, (150, 450)));
    }
}

#[test]
fn groups_of_sessions_have_all_records_of_both_sides() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed ^ 0x6e0);
        let given = Given::drawn(rng, 200);
        let mut expected = BTreeMap::<(u64, i64), (Vec<u64>, Vec<String>)>::new();
        let end = |key: u64, at: Timestamp| session_end(&given, key, at.millis(), (300, 300))[0];
        for event in given.events() {
            expected.entry((event.key, end(event.key, event.at))).or_default().0.push(event.value);
        }
        for note in given.notes() {
            let key = note.of.parse().expect("notes are of numbers");
            expected.entry((key, end(key, note.at))).or_default().1.push(note.text.clone());
        }
        let results = collect();
        run(seed, drawn(rng), |job| {
            let (events, notes) = given.clone().streams(job);
            events
                .key_with(number)
                .join(notes.key_with(of))
                .window(session(300.milliseconds()))
                .co_group(|key, session, events, notes| {
                    let values = sorted(events.iter().map(|event| event.value).collect());
                    let texts = sorted(notes.iter().map(|note| note.text.to_owned()).collect());
                    vec![((key, session.end.millis()), (values, texts))]
                })
                .map(|(at, (values, texts))| (at, (values.to_vec(), texts.to_vec())))
                .sink(results.sink());
        });
        let expected: Vec<_> =
            expected.into_iter().map(|(at, (values, texts))| (at, (sorted(values), sorted(texts)))).collect();
        assert_eq!(sorted(results.take()), expected, "seed {seed}");
    }
}

#[test]
fn groups_have_all_records_of_both_sides() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let given = Given::drawn(rng, 200);
        let mut expected = BTreeMap::<(u64, i64), (Vec<u64>, Vec<String>)>::new();
        let start = |at: Timestamp| at.millis() - at.millis().rem_euclid(1_000);
        for event in given.events() {
            expected.entry((event.key, start(event.at))).or_default().0.push(event.value);
        }
        for note in given.notes() {
            let key = note.of.parse().expect("notes are of numbers");
            expected.entry((key, start(note.at))).or_default().1.push(note.text.clone());
        }
        let results = collect();
        run(seed, drawn(rng), |job| {
            let (events, notes) = given.streams(job);
            events
                .key_by(|event| event.key)
                .join(notes.key_with(of))
                .window(tumbling(1.seconds()))
                .co_group(|key, window, events, notes| {
                    let values = sorted(events.iter().map(|event| event.value).collect());
                    let texts = sorted(notes.iter().map(|note| note.text.to_owned()).collect());
                    vec![((key, window.start.millis()), (values, texts))]
                })
                .map(|(at, (values, texts))| (at, (values.to_vec(), texts.to_vec())))
                .sink(results.sink());
        });
        let expected: Vec<_> =
            expected.into_iter().map(|(at, (values, texts))| (at, (sorted(values), sorted(texts)))).collect();
        assert_eq!(sorted(results.take()), expected, "seed {seed}");
    }
}

/// Event time comes to the time of each event with key 0.
fn punctuation(event: EventView<'_>, at: Timestamp) -> Option<Timestamp> {
    (event.key == 0).then_some(at)
}

#[test]
fn late_records_of_either_side_are_left_out_and_counted() {
    for seed in seeds() {
        // Event time comes to 999 ms on both sides before the rest follows.
        let steps = |value: u64| {
            let record = |key, value, at| Step::Record(event(key, value, at));
            let before = [record(1, value, 500), record(0, 0, 999), Step::Wait(Duration::from_secs(60))];
            let behind = [record(1, value + 1, 999), record(1, value + 2, 1_000), record(0, 0, 5_000)];
            Script::steps(vec![before.into_iter().chain(behind).collect()])
        };
        let results = collect();
        let job = run(seed, parallel(1 + seed as usize % 3), |job| {
            let left = job.source(steps(10)).event_time(punctuated(punctuation));
            let right = job.source(steps(20)).event_time(punctuated(punctuation));
            left.filter(|event| event.key > 0)
                .key_by(|event| event.key)
                .join(right.filter(|event| event.key > 0).key_by(|event| event.key))
                .window(tumbling(1.seconds()))
                .full(|left, right| (left.map(|left| left.value), right.map(|right| right.value)))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), [(Some(10), Some(20)), (Some(12), Some(22))], "seed {seed}");
        assert_eq!((job.counted("late_left_records"), job.counted("late_right_records")), (1, 1), "seed {seed}");
    }
}

#[test]
fn what_a_session_takes_in_is_not_late() {
    for seed in seeds() {
        // Event time comes to 1,400 ms on both sides, when the sessions from 0 to 1,300 are over and those from 500 to 1,900 are not.
        let steps = |value: u64| {
            let record = |key, value, at| Step::Record(event(key, value, at));
            let before = [record(1, value, 0), record(1, value + 1, 300), record(2, value + 2, 500)];
            let open = [record(2, value + 3, 900), record(0, 0, 1_400), Step::Wait(Duration::from_secs(60))];
            // Too late for the one, though it would have made it longer; early enough for the other, though it would be over by itself.
            let behind = [record(1, value + 4, 400), record(2, value + 5, 300), record(0, 0, 9_000)];
            Script::steps(vec![before.into_iter().chain(open).chain(behind).collect()])
        };
        let results = collect();
        let job = run(seed, parallel(1 + seed as usize % 3), |job| {
            let left = job.source(steps(10)).event_time(punctuated(punctuation)).filter(|event| event.key > 0);
            let right = job.source(steps(20)).event_time(punctuated(punctuation)).filter(|event| event.key > 0);
            left.key_by(|event| event.key)
                .join(right.key_by(|event| event.key))
                .window(session(1.seconds()))
                .co_group(|key, session, lefts, rights| {
                    let values = |events: Vec<u64>| sorted(events);
                    let lefts = values(lefts.iter().map(|event| event.value).collect());
                    vec![(key, session, lefts, values(rights.iter().map(|event| event.value).collect()))]
                })
                .map(|(key, session, lefts, rights)| {
                    (key, (session.start.millis(), session.end.millis()), lefts.to_vec(), rights.to_vec())
                })
                .sink(results.sink());
        });
        let first = (1, (0, 1_300), vec![10, 11], vec![20, 21]);
        let second = (2, (300, 1_900), vec![12, 13, 15], vec![22, 23, 25]);
        assert_eq!(sorted(results.take()), [first, second], "seed {seed}");
        assert_eq!((job.counted("late_left_records"), job.counted("late_right_records")), (1, 1), "seed {seed}");
    }
}

/// The pairs of which the note happened between the bounds, in milliseconds from the event, with their times.
fn in_interval(given: &Given, lower: i64, upper: i64) -> Vec<(u64, String, i64)> {
    let mut pairs = Vec::new();
    for event in given.events() {
        for note in given.notes().into_iter().filter(|note| matches(event, note)) {
            if (lower..=upper).contains(&(note.at.millis() - event.at.millis())) {
                pairs.push((event.value, note.text.clone(), event.at.max(note.at).millis()));
            }
        }
    }
    sorted(pairs)
}

/// A bound so many milliseconds from a record of the left side.
fn bound(millis: i64) -> Bound {
    let by = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 { before(by) } else { after(by) }
}

#[test]
fn records_are_joined_by_how_far_apart_they_happened() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for (lower, upper) in [(-500, 500), (0, 0), (300, 2_000), (-2_000, -300), (-10_000, 0)] {
            let given = Given::drawn(rng, 200);
            for exclusive in [false, true] {
                let inside = if exclusive { 1 } else { 0 };
                let expected = in_interval(&given, lower + inside, upper - inside);
                let settings = drawn(rng);
                let what = format!("{lower} to {upper}, exclusive: {exclusive}, seed {seed}, {settings:?}");
                if exclusive && lower == upper {
                    continue;
                }
                let results = collect();
                let given = given.clone();
                let job = run(seed, settings, |job| {
                    let (events, notes) = given.streams(job);
                    let (mut lower, mut upper) = (bound(lower), bound(upper));
                    if exclusive {
                        (lower, upper) = (lower.exclusive(), upper.exclusive());
                    }
                    events
                        .key_by(|event| event.key)
                        .join(notes.key_with(of))
                        .between(lower, upper)
                        .inner(|event, note| (event.value, note.text.to_owned()))
                        .process(TellTime)
                        .map(|((value, text), at)| (value, text.to_owned(), at))
                        .sink(results.sink());
                });
                assert_eq!(sorted(results.take()), expected, "{what}");
                assert_eq!(job.counted("late_left_records") + job.counted("late_right_records"), 0, "{what}");
            }
        }
    }
}

#[test]
fn what_event_time_has_left_behind_is_not_joined_by_interval() {
    for seed in seeds() {
        let steps = |value: u64| {
            let record = |key, value, at| Step::Record(event(key, value, at));
            let before = [record(1, value, 1_000), record(0, 0, 1_000), Step::Wait(Duration::from_secs(60))];
            let behind = [record(1, value + 1, 999), record(1, value + 2, 1_000), record(0, 0, 5_000)];
            Script::steps(vec![before.into_iter().chain(behind).collect()])
        };
        let results = collect();
        let job = run(seed, parallel(1 + seed as usize % 3), |job| {
            let left = job.source(steps(10)).event_time(punctuated(punctuation)).filter(|event| event.key > 0);
            let right = job.source(steps(20)).event_time(punctuated(punctuation)).filter(|event| event.key > 0);
            left.key_by(|event| event.key)
                .join(right.key_by(|event| event.key))
                .between(before(2.seconds()), after(2.seconds()))
                .inner(|left, right| (left.value, right.value))
                .sink(results.sink());
        });
        assert_eq!(sorted(results.take()), [(10, 20), (10, 22), (12, 20), (12, 22)], "seed {seed}");
        assert_eq!((job.counted("late_left_records"), job.counted("late_right_records")), (1, 1), "seed {seed}");
    }
}

#[test]
fn an_interval_without_room_is_a_mistake() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let (events, notes) = Given { events: Vec::new(), notes: Vec::new() }.streams(&mut job);
    let joined =
        events.key_by(|event| event.key).join(notes.key_with(of)).between(after(2.seconds()), before(1.seconds()));
    joined.inner(|event, _| event.value).sink(collect().sink());
    let mistake = job.build().err().expect("an interval has room").to_string();
    assert!(mistake.contains("joins.rs") && mistake.contains("nothing is between 2s after and 1s before"), "{mistake}");
}

#[test]
fn one_row_that_matches_very_many_is_put_out_in_steps() {
    const MATCHES: u64 = 60_000;
    for seed in seeds() {
        for windows in ["none", "tumbling", "session"] {
            let counted = collect();
            let settings = Settings { buffer_bytes: 1 << 10, memory_bytes: 1 << 20, ..parallel(1) };
            let job = run(seed, settings, |job| {
                let many = (0..MATCHES).map(|i| event(7, i, 10)).collect();
                // It comes last.
                let one = vec![Step::Wait(Duration::from_secs(60)), Step::Record(event(7, 1, 10))];
                let many = job.source(Script::records(vec![many])).event_time(monotonous()).key_by(|event| event.key);
                let one = job.source(Script::steps(vec![one])).event_time(monotonous()).key_by(|event| event.key);
                let joined = one.join(many);
                let pairs = match windows {
                    "tumbling" => joined.window(tumbling(1.seconds())).inner(|_, event| event.value).sealed(),
                    "session" => joined.window(session(1.seconds())).inner(|_, event| event.value).sealed(),
                    _ => joined.inner(|_, event| event.value).sealed(),
                };
                pairs
                    .key_by(|_| 0_u8)
                    .at_end(|of| (of.count(), of.count_distinct(|value| value)))
                    .map(|(_, all)| all)
                    .sink(counted.sink());
            });
            assert_eq!(counted.take(), [(MATCHES, MATCHES)], "seed {seed}");
            assert_eq!(job.counted("overdraft_waits"), 0, "pairs are put out at the pace of what follows");
        }
    }
}

#[test]
fn windows_by_the_clock_on_the_wall_are_joined() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(2), |job| {
            let steps = || vec![(0..5_u64).map(Step::Record).collect()];
            let (left, right) = (job.source(Script::steps(steps())), job.source(Script::steps(steps())));
            left.key_by(|number| number % 2)
                .join(right.key_by(|number| number % 2))
                .window(tumbling(1.days()).processing_time())
                .inner(|left, right| (left, right))
                .sink(results.sink());
        });
        let pairs = (0..5).flat_map(|left| (0..5).map(move |right| (left, right)));
        assert_eq!(sorted(results.take()), pairs.filter(|(a, b)| a % 2 == b % 2).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn event_time_does_not_matter_to_the_clock_on_the_wall() {
    for (seed, sessions) in seeds().flat_map(|seed| [(seed, false), (seed, true)]) {
        let results = collect();
        let job = run(seed, parallel(2), |job| {
            // Far from now, so that all would be late.
            let steps = (0..5_u64).flat_map(|n| {
                [Step::Record(event(n % 2, n, 32_503_680_000_000 - n as i64)), Step::Wait(Duration::from_secs(1))]
            });
            let steps: Vec<_> = steps.collect();
            let [left, right] = [steps.clone(), steps].map(|steps| {
                let events = job.source(Script::steps(vec![steps])).event_time(punctuated(|_, at| Some(at)));
                events.key_by(|event| event.key)
            });
            let joined = left.join(right);
            let value = |left: EventView<'_>, right: EventView<'_>| (left.value, right.value);
            if sessions {
                joined.window(session(1.days()).processing_time()).inner(value).sink(results.sink());
            } else {
                let windows = tumbling(1_000.days()).processing_time();
                joined.window(windows).allowed_lateness(1.hours()).inner(value).sink(results.sink());
            }
        });
        let pairs = (0..5).flat_map(|left| (0..5).map(move |right| (left, right)));
        assert_eq!(sorted(results.take()), pairs.filter(|(a, b)| a % 2 == b % 2).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(job.counted("late_left_records") + job.counted("late_right_records"), 0, "seed {seed}");
    }
}

#[test]
fn sessions_by_the_clock_on_the_wall_are_joined_while_the_input_goes_on() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(2), |job| {
            let record = |number: u64| Step::Record(number);
            let wait = |millis| Step::Wait(Duration::from_millis(millis));
            let left = vec![record(1), wait(5_000), record(2), Step::Never];
            let right = vec![wait(600), record(10), wait(5_000), record(20), Step::Never];
            let left = job.source(Script::steps(vec![left]).unbounded()).key_by(|_| 0_u64);
            left.join(job.source(Script::steps(vec![right]).unbounded()).key_by(|_| 0_u64))
                .window(session(1.seconds()).processing_time())
                .inner(|left, right| (left, right))
                .sink(results.sink());
        });
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_millis(5_500)));
        assert_eq!(results.take(), [(1, 10)], "seed {seed}");
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, Duration::from_millis(2_500)));
        assert_eq!(results.take(), [(2, 20)], "seed {seed}");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}

#[test]
fn a_panic_names_the_join() {
    let failure = fails(1, parallel(1), |job| {
        let given = Given { events: vec![vec![event(1, 1, 1)]], notes: vec![vec![note(1, 1, 1)]] };
        let (events, notes) = given.streams(job);
        let joined = events.key_by(|event| event.key).join(notes.key_with(of));
        let panics = |_: EventView<'_>, _: NoteView<'_>| -> u64 { panic!("boom") };
        joined.window(tumbling(1.seconds())).inner(panics).name("pairs").sink(collect().sink());
    });
    let text = failure.to_string();
    assert!(text.contains("join pairs") && text.contains("boom"), "{text}");
}

#[test]
fn windows_without_size_are_a_mistake() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let given = Given { events: Vec::new(), notes: Vec::new() };
    let (events, notes) = given.streams(&mut job);
    let joined = events.key_by(|event| event.key).join(notes.key_with(of)).window(tumbling(Duration::ZERO));
    joined.semi().sink(collect().sink());
    let mistake = job.build().err().expect("windows have a size").to_string();
    assert!(mistake.contains("joins.rs") && mistake.contains("these windows have no size"), "{mistake}");
}

#[test]
fn sessions_without_a_gap_are_a_mistake() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let (events, notes) = Given { events: Vec::new(), notes: Vec::new() }.streams(&mut job);
    let joined = events.key_with(number).join(notes.key_with(of)).window(session(Duration::ZERO));
    joined.semi().sink(collect().sink());
    let mistake = job.build().err().expect("sessions have a gap").to_string();
    assert!(mistake.contains("joins.rs") && mistake.contains("sessions without a gap"), "{mistake}");
}

#[test]
fn plans_say_how_streams_are_joined() {
    let graph = graph(parallel(2), |job| {
        let given = Given { events: Vec::new(), notes: Vec::new() };
        let (events, notes) = given.streams(job);
        let ([a, b, c, g], [d, e, f, h]) = (events.forks(), notes.forks());
        d.key_with(of).join(a.key_by(|event| event.key)).semi().sink(collect().sink());
        e.key_with(of).join(b.key_by(|event| event.key)).window(tumbling(1.seconds())).anti().sink(collect().sink());
        let close = f.key_with(of).join(c.key_by(|event| event.key)).between(before(1.seconds()), after(2.seconds()));
        close.inner(|_, event| event.value).sink(collect().sink());
        h.key_with(of).join(g.key_with(number)).window(session(1.seconds())).anti().sink(collect().sink());
    });
    let titles: Vec<_> = graph.vertices.iter().map(millstream::graph::Vertex::title).collect();
    for wanted in [
        "join of (semi)",
        "join of (anti, tumbling 1s)",
        "join of (anti, session 1s)",
        "join of (inner, 1s before to 2s after)",
    ] {
        assert!(titles.iter().any(|title| title.starts_with(wanted)), "{wanted}: {titles:?}");
    }
}
