//! Several ways to one answer, measured in turns in a process of their own, on one core or on two, and shown as a table.
//!
//! The program starts itself anew for each number of cores, and once for each way's memory; such a process binds itself to its cores before it makes a
//! thread, and writes lines to its standard output. Beside the time on the clock stands the processor time of all threads, which others on the machine
//! disturb less: on one core it is what the clock would show if nobody else was there. The arguments are a filter (`q3`, `q3/1`) and `--no-memory`.

use std::{
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

use crate::nexmark::Answer;

/// How often each way is gone, unless a case says otherwise.
pub const ROUNDS: usize = 9;
/// On how many cores, one after the other.
const CORES: [usize; 2] = [1, 2];

/// What is done in several ways.
pub struct Case {
    /// `q3` ..
    pub name: String,
    /// How often.
    pub rounds: usize,
    /// How many records are taken in each time.
    pub records: fn() -> usize,
    /// Makes the input, and the ways, for so many cores. The first is what the others are compared with.
    pub ways: Box<dyn Fn(usize) -> Vec<Way>>,
}

/// One way of doing it.
pub struct Way {
    /// `hand` ..
    pub name: &'static str,
    /// Goes it.
    pub run: Box<dyn FnMut() -> Answer>,
}

/// A way, by its name.
pub fn way(name: &'static str, run: impl FnMut() -> Answer + 'static) -> Way {
    Way { name, run: Box::new(run) }
}

/// What a process that measures is asked for, and by what name.
const TASK: &str = "MILLSTREAM_BENCH_TASK";
/// The word in front of a line that is a result: what follows is case, cores and way, and then nanoseconds per record on the clock and of the processors, or
/// bytes.
const TIME: &str = "time";
const MEMORY: &str = "memory";

/// Measures the cases that the command line asks for, and prints a table.
///
/// # Panics
///
/// If two ways have two answers, or a process cannot be started.
pub fn compare(cases: &[Case]) {
    match env::var(TASK) {
        Ok(task) => work(cases, &task),
        Err(_) => lead(cases),
    }
}

fn lead(cases: &[Case]) {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let with_memory = !arguments.iter().any(|argument| argument == "--no-memory");
    let mut rows = Rows::default();
    for cores in CORES {
        let wanted: Vec<_> = cases.iter().filter(|case| format!("{}/{cores}", case.name).contains(filter)).collect();
        if wanted.is_empty() {
            continue;
        }
        let names: Vec<_> = wanted.iter().map(|case| &*case.name).collect();
        ask(&format!("{TIME} {cores} {}", names.join(",")), &mut rows);
        for case in wanted.iter().filter(|_| with_memory) {
            let ways: Vec<_> = rows.ways(&case.name, cores);
            for way in ways {
                ask(&format!("{MEMORY} {cores} {} {way}", case.name), &mut rows);
            }
        }
    }
    rows.print();
}

/// Has a process of its own do a task, and takes in what it says.
fn ask(task: &str, rows: &mut Rows) {
    let this = env::current_exe().expect("a program knows where it is");
    let mut process = Command::new(this).env(TASK, task).stdout(Stdio::piped()).spawn().expect("it can start itself");
    let output = process.stdout.take().expect("its output was asked for");
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match *line.split(' ').collect::<Vec<_>>() {
            [what @ (TIME | MEMORY), case, cores, way, ref numbers @ ..] => {
                let numbers = numbers.iter().map(|number| number.parse().expect("what is measured is a number"));
                rows.add(what, case, cores.parse().expect("a number of cores"), way, numbers.collect());
                eprintln!("{line}");
            }
            _ => println!("{line}"),
        }
    }
    let status = process.wait().expect("it ends");
    assert!(status.success(), "the process for `{task}` failed: {status}");
}

/// What the process that was started for a task does.
fn work(cases: &[Case], task: &str) {
    let mut words = task.split(' ');
    let mut word = || words.next().expect("a task is complete");
    let (what, cores) = (word(), word().parse().expect("a task says on how many cores"));
    bind(cores);
    let names = word();
    // A profiler is shown one way alone.
    let only = words.next();
    for case in cases.iter().filter(|case| names.split(',').any(|name| name == case.name)) {
        let mut ways = (case.ways)(cores);
        let name = &case.name;
        if what == TIME {
            ways.retain(|way| only.is_none_or(|only| only == way.name));
            for (way, Nanos { clock, processors }) in times(case, &mut ways) {
                println!("{TIME} {name} {cores} {way} {clock:.3} {processors:.3}");
            }
            continue;
        }
        let only = only.expect("memory is that of one way");
        let way = ways.iter_mut().find(|way| way.name == only).expect("a task names a way that there is");
        let before = status_bytes("VmRSS");
        black_box((way.run)());
        println!("{MEMORY} {name} {cores} {only} {}", status_bytes("VmHWM").saturating_sub(before));
    }
}

/// Nanoseconds per record.
#[derive(Debug, Clone, Copy)]
struct Nanos {
    clock: f64,
    /// Of all threads together.
    processors: f64,
}

/// The medians of each way.
fn times(case: &Case, ways: &mut [Way]) -> Vec<(&'static str, Nanos)> {
    let records = (case.records)();
    let mut answers = ways.iter_mut().map(|way| (way.name, (way.run)()));
    let (first, expected) = answers.next().expect("there is a way");
    for (name, answer) in answers {
        assert_eq!(answer, expected, "{}: `{name}` and `{first}` have the same answer", case.name);
    }
    let mut nanos = vec![Vec::new(); ways.len()];
    for _ in 0..case.rounds {
        for (way, nanos) in ways.iter_mut().zip(&mut nanos) {
            let (began, used) = (Instant::now(), processor_nanos());
            black_box((way.run)());
            let clock = began.elapsed().as_secs_f64() * 1e9 / records as f64;
            nanos.push(Nanos { clock, processors: (processor_nanos() - used) / records as f64 });
        }
    }
    let medians = nanos.iter().map(|nanos| Nanos {
        clock: median(nanos.iter().map(|nanos| nanos.clock)),
        processors: median(nanos.iter().map(|nanos| nanos.processors)),
    });
    ways.iter().zip(medians).map(|(way, medians)| (way.name, medians)).collect()
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// What this process has used of the processors by now.
fn processor_nanos() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 * 1e9 + used.tv_nsec as f64
}

/// Lets this process, which has one thread by now, use so many cores.
fn bind(cores: usize) {
    let mut set = CpuSet::new();
    (0..cores).for_each(|core| set.set(core));
    sched_setaffinity(None, &set).unwrap_or_else(|why| panic!("there are no {cores} cores to use: {why}"));
}

/// A line of the kernel's about this process: `VmRSS`, `VmHWM`.
///
/// # Panics
///
/// If there is none.
pub fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("memory is measured on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells of memory");
    let kibibytes = line.trim_matches(|c: char| !c.is_ascii_digit());
    kibibytes.parse::<u64>().expect("and does so in numbers") << 10
}

/// What was measured: times in the order in which they came, by case, cores and way; and memory.
#[derive(Default)]
struct Rows {
    times: Vec<(String, usize, String, Nanos)>,
    memory: BTreeMap<(String, usize, String), f64>,
}

impl Rows {
    fn add(&mut self, what: &str, case: &str, cores: usize, way: &str, numbers: Vec<f64>) {
        let (case, way) = (case.to_owned(), way.to_owned());
        match (what, &*numbers) {
            (TIME, &[clock, processors]) => self.times.push((case, cores, way, Nanos { clock, processors })),
            (MEMORY, &[bytes]) => {
                self.memory.insert((case, cores, way), bytes);
            }
            _ => panic!("a result has one number or two, and `{what}` of `{case}` has {}", numbers.len()),
        }
    }

    fn ways(&self, case: &str, cores: usize) -> Vec<String> {
        let of = self.times.iter().filter(|(other, on, ..)| other == case && *on == cores);
        of.map(|(_, _, way, _)| way.clone()).collect()
    }

    fn print(&self) {
        println!(
            "{:<16} {:>5}  {:<20} {:>11} {:>9} {:>6} {:>12} {:>6} {:>8}",
            "case", "cores", "", "M records/s", "ns/record", "ratio", "processor ns", "ratio", "peak MB"
        );
        let mut first = None;
        for (case, cores, way, nanos) in &self.times {
            let Nanos { clock, processors } = *nanos;
            if !matches!(first, Some((of, on, _)) if of == case && on == cores) {
                first = Some((case, cores, *nanos));
            }
            let beside = first.map_or(*nanos, |(_, _, nanos)| nanos);
            let (of_clock, of_processors) = (clock / beside.clock, processors / beside.processors);
            let memory = self.memory.get(&(case.clone(), *cores, way.clone()));
            let memory = memory.map_or(String::new(), |bytes| format!("{:.1}", bytes / 1e6));
            println!(
                "{case:<16} {cores:>5}  {way:<20} {:>11.1} {clock:>9.2} {of_clock:>6.2} {processors:>12.2} {of_processors:>6.2} {memory:>8}",
                1e3 / clock
            );
        }
    }
}
