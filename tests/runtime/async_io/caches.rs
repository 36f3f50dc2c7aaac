//! Answers that are kept for records that ask for the same.

use std::time::Duration;

use millstream::prelude::*;

use super::{Service, Watched};
use crate::{
    script::{Script, Step},
    support::{parallel, run, seeds},
};

#[async_map(cache = 3, cache_ttl = "1s")]
async fn kept(service: &Service, number: u64) -> String {
    format!("<{}>", service.answer(number).await)
}

#[test]
fn equal_records_are_asked_for_once_as_long_as_the_answer_is_kept() {
    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let pause = |millis| Step::Wait(Duration::from_millis(millis));
        let record = Step::Record;
        let steps = vec![
            record(1_u64),
            pause(100),
            record(1),
            record(2),
            pause(100),
            record(1),
            record(3),
            record(4),
            pause(100),
            // 2 was not used for longest.
            record(2),
            pause(2_000),
            record(4),
        ];
        let job = run(seed, parallel(1), |job| {
            job.source(Script::steps(vec![steps])).then_async(kept(watched.open())).sink(results.sink());
        });
        let wanted = [1, 1, 2, 1, 3, 4, 2, 4].map(|number| format!("<{}>", number * 10));
        assert_eq!(results.take(), wanted);
        let calls: Vec<_> = watched.seen().calls.into_iter().collect();
        assert_eq!(calls, [(1, 1), (2, 2), (3, 1), (4, 2)]);
        assert_eq!((job.counted("cache_hits"), job.counted("cache_misses")), (2, 6));
    }
}

#[test]
fn a_kept_answer_waits_for_those_in_front_and_is_none_of_a_batch() {
    #[async_flat_map(max_batch = 2, linger = "10ms", cache = 10)]
    async fn twice(service: &Service, numbers: Vec<u64>) -> Vec<Vec<u64>> {
        let (_, _in_flight) = service.begin(&numbers);
        service.sleep(5).await;
        numbers.into_iter().map(|number| vec![number; 2]).collect()
    }

    for seed in seeds() {
        let (results, watched) = (collect(), Watched::default());
        let steps = [1_u64, 2].map(Step::Record).into_iter();
        let steps = steps.chain([Step::Wait(Duration::from_millis(50))]).chain([3, 1, 4, 2, 5].map(Step::Record));
        run(seed, parallel(1), |job| {
            job.source(Script::steps(vec![steps.collect()])).then_async(twice(watched.open())).sink(results.sink());
        });
        assert_eq!(results.take(), [1, 1, 2, 2, 3, 3, 1, 1, 4, 4, 2, 2, 5, 5]);
        assert!(watched.seen().calls.into_values().all(|calls| calls == 1));
    }
}
