//! What a job promises is carried by the type of every stream of it. An operator that lost it would let sinks through that cannot keep it.

use millstream::{prelude::*, stream::two_inputs};

use crate::{heads::Tagging, support::parallel};

/// Takes only streams of jobs that promise that each record counts once.
fn kept<S: Stream<Guarantee = ExactlyOnce>>(stream: S) -> S {
    stream
}

#[test]
fn no_operator_loses_what_the_job_promises() {
    let mut job = Job::<ExactlyOnce>::new("test", parallel(2));
    let mut numbers = || kept(job.source(generate(10, 1, |_, index| index)));

    let _ = kept(kept(numbers().map(|n| n + 1)).filter(|n| n > 1));
    let _ = kept(kept(numbers().filter_map(|n| (n > 1).then_some(n))).flat_map(|n| [n, n]).inspect(|_| {}));
    let (good, bad) = numbers().map(|n| n.checked_add(1).ok_or("too large")).divert_errors();
    let _ = (kept(good), kept(bad));
    let _ = kept(numbers().map(|n| n.checked_add(1).ok_or("too large")).skip_errors());
    let _ = kept(kept(numbers().name("a")).uid("b").parallelism(1).max_parallelism(4));

    let (first, second) = numbers().fork();
    let [third, fourth] = kept(first).forks();
    let (fifth, sixth) = kept(third).split(|n| n > 5);
    let _ = kept(kept(second).union(kept(fourth)));
    let _ = kept(kept(fifth.sealed()).new_chain().unchained(|stream| kept(stream).map(|n| n)));
    let _ = kept(kept(kept(sixth).rebalance()).rescale());
    let _ = kept(kept(kept(numbers().shuffle()).broadcast()).global());
    let _ = kept(kept(numbers().forward()).partition_by(|n, subtasks| n as usize % subtasks));

    let _ = kept(kept(numbers().key_by(|n| n % 2)).rolling(|of| of.count()));
    let _ = kept(numbers().key_by(|n| n % 2).at_end(|of| of.count()));
    let _ = kept(numbers().key_by(|n| n % 2).reduce(|a, b| a + b));
    let timed = kept(numbers().event_time_by(|n| Timestamp::from_millis(n as i64), monotonous()));
    let (windows, late) = timed.key_by(|n| n % 2).window(tumbling(1.minutes())).with_late();
    let _ = (kept(windows.aggregate(|of| of.count())), kept(late));
    let texts = numbers().map(|n| n.to_string()).key_by(|text| text.len() as u64);
    let _ = kept(two_inputs("tag", numbers(), texts, Tagging { panics: false }));

    let lines = || TextFiles::read("lines.txt");
    let (lines_read, bad) = job.source(lines()).divert_errors();
    let _ = (kept(lines_read), kept(bad), kept(job.source(lines()).skip_errors()));
    let timed = generate(10, 1, |_, index| index).event_time(|index| Timestamp::from_millis(index as i64));
    let _ = kept(job.source(timed).watermarks(monotonous()));
}
