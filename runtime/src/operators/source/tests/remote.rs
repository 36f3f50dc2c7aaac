//! A pool elsewhere, answer by answer.

use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::{
    super::{
        client::SplitClient,
        message::{Answer, Ask, Given},
        pool::{Holding, Known, Taken},
        remote::Remote,
    },
    lines::Numbers,
};
use crate::checkpoint::inbox::Inbox;

const HELD: Known = Known { holds: true, discovered: true };
const FREE: Known = Known { holds: false, discovered: true };

struct Driven {
    remote: Remote<Numbers>,
    client: Arc<SplitClient>,
    asked: Arc<Mutex<Vec<(u64, Bytes)>>>,
}

impl Driven {
    fn new(holding: Holding) -> Self {
        let asked = Arc::<Mutex<Vec<(u64, Bytes)>>>::default();
        let sent = Arc::clone(&asked);
        let send = move |request, ask| sent.lock().expect("nobody has panicked").push((request, ask));
        let client = Arc::new(SplitClient::new(send, Inbox::default()));
        Self { remote: Remote::new(Arc::clone(&client), holding), client, asked }
    }

    /// What it has asked since this was called last.
    fn asked(&self) -> Vec<(u64, Ask)> {
        let asked = std::mem::take(&mut *self.asked.lock().expect("nobody has panicked"));
        asked.into_iter().map(|(request, ask)| (request, Ask::decode(&ask).expect("it is an ask"))).collect()
    }

    fn answer(&mut self, request: u64, given: Given<(u64, u64)>, known: Known) {
        self.client.assigned(request, Answer { given, known }.encode(1 << 10).expect("it is small"));
        self.remote.hear().expect("it makes sense");
    }

    fn begin(&mut self, request: u64, known: Known) {
        assert!(matches!(self.remote.take(), Ok(Taken::Later { .. })));
        self.answer(request, Given::Split(7, (4, 0)), known);
        assert!(matches!(self.remote.take(), Ok(Taken::Split(7, (4, 0)))));
        self.remote.begun().expect("it is small");
    }
}

#[test]
fn it_asks_as_long_as_what_it_hears_may_change() {
    for (holding, known, listens) in [
        (Holding::Never, FREE, false),
        (Holding::Waiting, FREE, true),
        (Holding::Waiting, HELD, true),
        (Holding::Complete, HELD, true),
        (Holding::Complete, FREE, false),
    ] {
        let mut driven = Driven::new(holding);
        assert_eq!(driven.remote.holds(), holding != Holding::Never);
        driven.begin(1, known);
        let asked = driven.asked();
        let ask = Ask { wants: false, begun: 1, known };
        assert_eq!(asked[1..], if listens { vec![(2, ask)] } else { Vec::new() }, "{holding:?} {known:?}");
        if listens {
            driven.answer(2, Given::Nothing, FREE);
            assert!(!driven.remote.holds());
            let again = (holding == Holding::Waiting).then_some((3, Ask { known: FREE, ..ask }));
            assert_eq!(driven.asked(), Vec::from_iter(again));
        }
    }
}

#[test]
fn it_wants_a_split_until_it_has_one_or_none_will_come() {
    let mut driven = Driven::new(Holding::Complete);
    assert!(matches!(driven.remote.take(), Ok(Taken::Later { discovered: false, .. })));
    assert!(matches!(driven.remote.take(), Ok(Taken::Later { .. })), "it has asked already");
    driven.answer(1, Given::Nothing, HELD);
    assert!(matches!(driven.remote.take(), Ok(Taken::Later { discovered: true, .. })));
    let first = Ask { wants: true, begun: 0, known: Known { holds: true, discovered: false } };
    assert_eq!(driven.asked(), [(1, first), (2, Ask { known: HELD, ..first })]);
    driven.answer(2, Given::End, HELD);
    assert!(matches!(driven.remote.take(), Ok(Taken::None)));
    assert_eq!(driven.asked(), []);
}

#[test]
fn answers_that_make_no_sense_are_failures() {
    let mut driven = Driven::new(Holding::Waiting);
    driven.begin(1, HELD);
    let split = Answer { given: Given::Split(8, (5_u64, 0_u64)), known: HELD };
    driven.client.assigned(2, split.encode(1 << 10).expect("it is small"));
    driven.remote.hear().expect_err("it reads, and has not asked for a split");
    let mut driven = Driven::new(Holding::Waiting);
    assert!(driven.remote.take().is_ok());
    driven.client.assigned(1, Bytes::from_static(b"what"));
    driven.remote.hear().expect_err("that is no answer");
}
