//! [`Ready`]: which requests have been woken. A bit for each, so that to be woken twice is to be woken once, and nothing is allocated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Wake, Waker},
};

use futures::task::AtomicWaker;

/// The requests of an operator that have been woken since they were last looked at.
pub(super) struct Ready {
    words: Box<[AtomicU64]>,
    /// Set behind a bit, and cleared before the bits are read: so nothing is overlooked.
    any: AtomicBool,
    /// The task that looks.
    task: AtomicWaker,
}

impl Ready {
    /// For so many requests.
    pub(super) fn new(requests: usize) -> Arc<Self> {
        let words = (0..requests.div_ceil(u64::BITS as usize)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { words, any: AtomicBool::new(false), task: AtomicWaker::new() })
    }

    /// What wakes the request of this number.
    pub(super) fn waker(self: &Arc<Self>, request: u32) -> Waker {
        Waker::from(Arc::new(WakesOne { request, ready: Arc::clone(self) }))
    }

    /// Has the task woken when a request is; true if one has been already.
    pub(super) fn register(&self, task: &Waker) -> bool {
        self.task.register(task);
        self.any.load(Ordering::Acquire)
    }

    /// Takes the numbers of all that have been woken.
    pub(super) fn take(&self, mut woken: impl FnMut(u32)) {
        if !self.any.swap(false, Ordering::AcqRel) {
            return;
        }
        for (word, first) in self.words.iter().zip((0..).step_by(u64::BITS as usize)) {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                woken(first + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }

    fn wake(&self, request: u32) {
        let (word, bit) = (request / u64::BITS, request % u64::BITS);
        self.words[word as usize].fetch_or(1 << bit, Ordering::Release);
        if !self.any.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }
}

struct WakesOne {
    request: u32,
    ready: Arc<Ready>,
}

impl Wake for WakesOne {
    fn wake(self: Arc<Self>) {
        self.ready.wake(self.request);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.wake(self.request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(ready: &Ready) -> Vec<u32> {
        let mut taken = Vec::new();
        ready.take(|request| taken.push(request));
        taken
    }

    #[test]
    fn what_is_woken_is_taken_once() {
        let ready = Ready::new(130);
        assert!(taken(&ready).is_empty());
        for request in [129, 3, 64, 3] {
            ready.waker(request).wake();
        }
        assert_eq!(taken(&ready), [3, 64, 129]);
        assert!(taken(&ready).is_empty());
    }

    #[test]
    fn the_task_is_woken_by_the_first_and_told_of_what_came_before() {
        struct Count(AtomicU64);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (ready, count) = (Ready::new(2), Arc::new(Count(AtomicU64::new(0))));
        let task = Waker::from(Arc::clone(&count));
        assert!(!ready.register(&task));
        ready.waker(0).wake();
        ready.waker(1).wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(ready.register(&task));
        assert_eq!(taken(&ready), [0, 1]);
        assert!(!ready.register(&task));
    }

    #[test]
    fn nothing_is_overlooked_that_is_woken_from_other_threads() {
        const REQUESTS: u32 = 200;
        const ROUNDS: u32 = 2_000;
        let ready = Ready::new(REQUESTS as usize);
        let wakers: Vec<_> = (0..REQUESTS).map(|request| ready.waker(request)).collect();
        let mut seen = vec![0; REQUESTS as usize];
        std::thread::scope(|scope| {
            let waking = scope.spawn(|| {
                for round in 0..ROUNDS {
                    wakers[(round % REQUESTS) as usize].wake_by_ref();
                }
                wakers.iter().for_each(Waker::wake_by_ref);
            });
            while !waking.is_finished() {
                ready.take(|request| seen[request as usize] += 1);
            }
        });
        ready.take(|request| seen[request as usize] += 1);
        assert!(seen.iter().all(|times| *times > 0));
    }
}
